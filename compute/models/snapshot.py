"""Snapshot: an image of a VM at one moment, and its legal changes."""

import uuid
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_fsm import (
    RETURN_VALUE,
    ConcurrentTransitionMixin,
    FSMField,
    transition,
)

from compute.models.limits import (
    DESCRIPTION_RULES,
    LABELS_RULES,
    MAX_NAME,
    NAME_RULES,
)
from compute.models.operation import Operation


class SnapshotStatus(models.TextChoices):
    CREATING = "CREATING", "Creating"
    AVAILABLE = "AVAILABLE", "Available"
    DELETING = "DELETING", "Deleting"
    ERROR = "ERROR", "Error"
    DELETED = "DELETED", "Deleted"


S = SnapshotStatus


class SnapshotQuerySet(models.QuerySet["Snapshot"]):
    def alive(self) -> Self:
        """Return the snapshots that are not deleted."""
        return self.filter(deleted_at=None)


class Snapshot(ConcurrentTransitionMixin, models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "compute.Project", on_delete=models.PROTECT, related_name="snapshots"
    )
    cloud = models.CharField(max_length=64)
    vm = models.ForeignKey(
        "compute.VM", on_delete=models.PROTECT, related_name="snapshots"
    )
    name = models.CharField(max_length=MAX_NAME, validators=NAME_RULES)
    description = models.TextField(blank=True, default="", validators=DESCRIPTION_RULES)
    labels = models.JSONField(default=dict, blank=True, validators=LABELS_RULES)
    status = FSMField(
        choices=SnapshotStatus.choices, default=SnapshotStatus.CREATING, protected=True
    )
    #: The cloud's id of the image, known from its first answer on.
    image_provider_id = models.CharField(max_length=255, blank=True, default="")
    #: The catalogue's image, once it can be booted.
    image = models.ForeignKey(
        "compute.Image",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="snapshots",
    )
    size_bytes = models.BigIntegerField(null=True, blank=True)
    operation = models.ForeignKey(
        "compute.Operation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    error = models.JSONField(null=True, blank=True)
    #: Whether the project's quota counts it: until it is gone, or could not be made.
    counted = models.BooleanField(default=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True)

    objects = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=SnapshotStatus.values),
                name="snapshot_status_known",
            ),
            models.CheckConstraint(
                condition=(Q(status="DELETED") & Q(deleted_at__isnull=False))
                | (~Q(status="DELETED") & Q(deleted_at=None)),
                name="snapshot_deleted_has_time",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="snapshot_by_creation"),
            models.Index(fields=("updated_at", "id"), name="snapshot_by_update"),
            models.Index(fields=("name", "id"), name="snapshot_by_name"),
            models.Index(fields=("vm", "created_at", "id"), name="snapshot_by_vm"),
            models.Index(
                fields=("project", "created_at", "id", "deleted_at"),
                name="snapshot_by_project_creation",
            ),
            models.Index(
                fields=("project", "updated_at", "id"),
                name="snapshot_by_project_update",
            ),
            models.Index(
                fields=("project", "name", "id"), name="snapshot_by_project_name"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @transition(status, source=[S.AVAILABLE, S.ERROR], target=S.DELETING)
    def remove(self) -> None:
        """Begin to delete it. `delete` is Django's own method."""

    @transition(
        status,
        source=[S.CREATING, S.DELETING],
        target=RETURN_VALUE(S.AVAILABLE, S.ERROR),
    )
    def settle(self, seen: SnapshotStatus) -> SnapshotStatus:
        """End an operation on what the cloud says."""
        return seen

    @transition(status, source=[S.CREATING, S.DELETING], target=S.DELETED)
    def mark_deleted(self) -> None:
        """End a delete, or a create cancelled before it began: the row stays."""
        self.deleted_at = timezone.now()

    @property
    def live_operation(self) -> Operation | None:
        """The operation that occupies it, be it a restore from it; costs a query."""
        return self.operations.live().first()

    def save_changes(self, *fields: str) -> None:
        """Save the named fields and count a change a user can see.

        The status is always saved too: the concurrency guard of the state machine
        compares it with what was read.
        """
        self.version += 1
        self.updated_at = timezone.now()
        self.save(update_fields=[*fields, "status", "version", "updated_at"])
