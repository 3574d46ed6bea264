"""Project: the tenant every owned row belongs to."""

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone

DEFAULT_PROJECT_NAME = "default"


class Role(models.TextChoices):
    """What a member may do in a project; Keystone's words."""

    READER = "reader", "Reader"
    MEMBER = "member", "Member"
    ADMIN = "admin", "Admin"


class ProjectManager(models.Manager["Project"]):
    def default(self) -> "Project":
        """Return the project that takes what names none; migrate creates it."""
        return self.get(name=DEFAULT_PROJECT_NAME)


class Project(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=255, unique=True)
    description = models.TextField(blank=True, default="")
    #: The sequence of the newest event. Its row lock, held to commit, makes the
    #: order of events that of the commits, without gaps (see `compute.events`).
    event_sequence = models.BigIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ProjectManager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


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
