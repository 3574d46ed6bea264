"""Login: what begins when a person proves who they are, and ends for all its tokens."""

import uuid
from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class LoginKind(models.TextChoices):
    TOKENS = "tokens", "Tokens"
    BROWSER = "browser", "Browser"


class LoginQuerySet(models.QuerySet["Login"]):
    def open(self, now: datetime) -> Self:
        """Return the logins that still let somebody in."""
        return self.filter(revoked_at=None, expires_at__gt=now)


class Login(models.Model):
    """One login and its lifetime: of the JWTs made from it, or of a browser's session.

    Every request reads this row anyway, with its user: to revoke it takes effect at
    once.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="logins"
    )
    kind = models.CharField(max_length=16, choices=LoginKind.choices)
    #: Changes with the password, which ends the login.
    auth_hash = models.CharField(max_length=128, editable=False)
    address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=255, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    #: When it was last given new tokens.
    refreshed_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = LoginQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(kind__in=LoginKind.values), name="login_kind_known"
            ),
        )
        indexes = (
            models.Index(fields=("-created_at", "-id"), name="login_by_creation"),
            models.Index(fields=("expires_at",), name="login_by_expiry"),
        )

    def __str__(self) -> str:
        return f"{self.user}, {self.created_at:%Y-%m-%d %H:%M} UTC"
