"""Project: the tenant every owned row belongs to, and who is in it."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from compute.limits import DESCRIPTION_RULES, MAX_NAME, NAME_RULES, is_id
from compute.models.owned import Versioned, VersionedQuerySet

DEFAULT_PROJECT_NAME = "default"


class Role(models.TextChoices):
    """What a member may do in a project; Keystone's words."""

    READER = "reader", "Reader"
    MEMBER = "member", "Member"
    ADMIN = "admin", "Admin"

    @property
    def rank(self) -> int:
        """How far it reaches: a role may do all that those below it may."""
        return _RANKS[self]


_RANKS = {role: rank for rank, role in enumerate(Role)}


class ProjectQuerySet(VersionedQuerySet["Project"]):
    def defaults(self) -> Self:
        """Return the default project alone, as a queryset."""
        return self.alive().filter(name=DEFAULT_PROJECT_NAME)

    def default(self) -> "Project":
        """Return the project that takes what names none; migrate creates it."""
        return self.defaults().get()

    def called(self, reference: str) -> Self:
        """Return the project with an id, or those with a name; names repeat."""
        if is_id(reference):
            return self.filter(pk=reference)
        return self.filter(name=reference)


class Project(Versioned):
    name = models.CharField(max_length=MAX_NAME, validators=NAME_RULES)
    description = models.TextField(blank=True, default="", validators=DESCRIPTION_RULES)
    #: Aliases of the clouds it may use, its default one first; null: all there are.
    clouds = models.JSONField(null=True, blank=True)
    #: The sequence of the newest event. Its row lock, held to commit, makes the
    #: order of events that of the commits, without gaps (see `compute.events`).
    event_sequence = models.BigIntegerField(default=0, editable=False)

    objects = ProjectQuerySet.as_manager()

    class Meta:
        ordering = ("name",)
        constraints = (
            # Other names repeat: that one is taken would tell of a project that the
            # one who asks may not see.
            models.UniqueConstraint(
                fields=("name",),
                condition=Q(deleted_at=None, name=DEFAULT_PROJECT_NAME),
                name="project_default_once",
            ),
        )
        indexes = (
            models.Index(fields=("name", "id"), name="project_by_name"),
            models.Index(fields=("created_at", "id"), name="project_by_creation"),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def is_default(self) -> bool:
        return self.name == DEFAULT_PROJECT_NAME and self.deleted_at is None

    def mark_deleted(self) -> None:
        """Take it away: the row stays, and its name is free again."""
        self.deleted_at = timezone.now()


class Membership(models.Model):
    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="memberships"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("project", "user")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "user"), name="membership_once_per_project"
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=Role.values), name="membership_role_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user} is {self.role} of {self.project}"
