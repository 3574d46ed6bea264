"""APIToken: a key for a program, bound to one project and one role."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from compute.limits import MAX_NAME, NAME_RULES
from compute.models.project import Project, Role

#: Tells it from a JWT, and a scanner of secrets what it has found.
SCHEME = "osl_"
#: Characters after the scheme that name it; the rest is the secret.
PREFIX_LENGTH = 8


class APITokenQuerySet(models.QuerySet["APIToken"]):
    def alive(self) -> Self:
        """Return the tokens that are not revoked; they may have expired."""
        return self.filter(revoked_at=None)


class APIToken(models.Model):
    """What is kept of a token: enough to know it again, not to use it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: Whose token it is: it may never do more than this person.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="api_tokens",
        limit_choices_to={"is_active": True},
    )
    project = models.ForeignKey(
        Project,
        on_delete=models.PROTECT,
        related_name="api_tokens",
        limit_choices_to={"deleted_at": None},
    )
    role = models.CharField(max_length=16, choices=Role.choices)
    name = models.CharField(max_length=MAX_NAME, validators=NAME_RULES)
    #: How it begins, for people and for the look-up.
    prefix = models.CharField(max_length=16, editable=False)
    #: SHA-256 of the whole: with 32 random bytes there is nothing to guess.
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    #: To the minute.
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = APITokenQuerySet.as_manager()

    class Meta:
        verbose_name = "API token"
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(role__in=Role.values), name="api_token_role_known"
            ),
        )
        indexes = (
            models.Index(fields=("prefix",), name="api_token_by_prefix"),
            models.Index(fields=("created_at", "id"), name="api_token_by_creation"),
            models.Index(fields=("name", "id"), name="api_token_by_name"),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"
