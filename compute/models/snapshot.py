"""Snapshot: an image of a VM at one moment, and its legal changes."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_fsm import RETURN_VALUE, FSMField, FSMModelMixin, can_proceed, transition

from compute.models.owned import CloudResource, VersionedQuerySet


class SnapshotStatus(models.TextChoices):
    CREATING = "CREATING", "Creating"
    AVAILABLE = "AVAILABLE", "Available"
    DELETING = "DELETING", "Deleting"
    ERROR = "ERROR", "Error"
    DELETED = "DELETED", "Deleted"


S = SnapshotStatus


class SnapshotQuerySet(VersionedQuerySet["Snapshot"]):
    pass


class Snapshot(FSMModelMixin, CloudResource):
    """An image of a VM; counted until it is gone, or could not be made."""

    kind = "snapshot"
    UNSEEN = frozenset({"image_provider_id", "counted"})

    vm = models.ForeignKey(
        "compute.VM",
        on_delete=models.PROTECT,
        related_name="snapshots",
        db_index=False,  # others begin with it
    )
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
                fields=("project", "created_at", "id"),
                name="snapshot_by_project_creation",
            ),
            models.Index(
                fields=("project", "updated_at", "id"),
                name="snapshot_by_project_update",
            ),
            models.Index(
                fields=("project", "name", "id"), name="snapshot_by_project_name"
            ),
            models.Index(
                fields=("status", "project", "created_at", "id", "deleted_at"),
                name="snapshot_by_status",
            ),
            models.Index(
                fields=("project", "created_at", "id"),
                condition=Q(deleted_at=None),
                name="snapshot_alive",
            ),
        )

    @property
    def allowed_actions(self) -> tuple[str, ...]:
        "The actions that are allowed now."
        is_free = self.live_operation is None
        return ("delete",) if is_free and can_proceed(self.remove) else ()

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
