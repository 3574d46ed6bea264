"""Event: append-only log, one row per thing that happened."""

import uuid

from django.db import models
from django.utils import timezone


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(
        "compute.Project", on_delete=models.PROTECT, related_name="events"
    )
    #: Counts the project's events in commit order, without gaps.
    sequence = models.BigIntegerField()
    #: ``vm.created``, ``vm.updated``, ``vm.drifted``, ``operation.finished``, …
    type = models.CharField(max_length=64)
    vm = models.ForeignKey(
        "compute.VM",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
    )
    snapshot = models.ForeignKey(
        "compute.Snapshot",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
    )
    operation = models.ForeignKey(
        "compute.Operation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
    )
    #: ``user:alice``, ``system``, …
    actor = models.CharField(max_length=255)
    request_id = models.CharField(max_length=64, blank=True, default="")
    #: What changed: field -> [before, after], or the error.
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("-created_at", "-sequence")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "sequence"), name="event_sequence_once"
            ),
        )
        indexes = (
            models.Index(fields=("-created_at", "-sequence"), name="event_by_time"),
            models.Index(fields=("vm", "-sequence"), name="event_by_vm"),
        )

    def __str__(self) -> str:
        return f"{self.type} #{self.sequence}"
