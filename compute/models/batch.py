"""Batch: one action that somebody asked of many VMs at once, and what came of each."""

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Case, Count, F, Max, Q, Value, When
from django.utils import timezone

from compute.models.operation import ENDED, LIVE, Operation, OperationStatus
from compute.models.vm import VM


class BatchAction(models.TextChoices):
    START = "start", "Start"
    STOP = "stop", "Stop"
    REBOOT = "reboot", "Reboot (soft)"
    REBOOT_HARD = "reboot-hard", "Reboot (hard)"
    PAUSE = "pause", "Pause"
    UNPAUSE = "unpause", "Unpause"
    SUSPEND = "suspend", "Suspend"
    RESUME = "resume", "Resume"
    DELETE = "delete", "Delete"

    def of(self, count: int) -> str:
        """Return it as an order: ``Reboot 48 VMs (hard)``."""
        verb, _, how = str(self.label).partition(" ")
        return f"{verb} {count:,} VM{'' if count == 1 else 's'} {how}".rstrip()


class Batch(models.Model):
    #: Made with the preview, so that what is confirmed twice is one batch.
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    action = models.CharField(max_length=32, choices=BatchAction.choices)
    #: How many VMs it is about.
    asked = models.PositiveIntegerField()
    #: ``user:alice``, …
    requested_by = models.CharField(max_length=255)
    request_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        # Who may see operations may see it.
        default_permissions = ()
        verbose_name_plural = "batches"
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(action__in=BatchAction.values), name="batch_action_known"
            ),
        )
        indexes = (models.Index(fields=("created_at", "id"), name="batch_by_creation"),)

    def __str__(self) -> str:
        return BatchAction(self.action).of(self.asked)


#: What became of an item that has no operation.
NOT_ASKED, REFUSED = "NOT_ASKED", "REFUSED"


@dataclass(frozen=True, slots=True)
class Numbers:
    """How many of a batch are where."""

    #: Status of an operation, REFUSED or NOT_ASKED -> how many.
    by_outcome: Mapping[str, int]
    #: When the newest of them was asked.
    asked_last: datetime | None = None

    def of(self, *outcomes: str) -> int:
        return sum(self.by_outcome.get(outcome, 0) for outcome in outcomes)

    @property
    def total(self) -> int:
        return sum(self.by_outcome.values())

    @property
    def failed(self) -> int:
        return self.of(OperationStatus.FAILED)

    @property
    def refused(self) -> int:
        return self.of(REFUSED)

    @property
    def accepted(self) -> int:
        return self.of(*LIVE, *ENDED)

    @property
    def not_asked(self) -> int:
        return self.of(NOT_ASKED)

    @property
    def ended(self) -> int:
        return self.of(*ENDED, REFUSED)

    def __str__(self) -> str:
        """Say it in one line; what is zero is left out."""
        counts = {
            "succeeded": self.of(OperationStatus.SUCCEEDED),
            "failed": self.failed,
            "cancelled": self.of(OperationStatus.CANCELLED),
            "refused": self.refused,
            "under way": self.of(*LIVE),
            "not asked yet": self.not_asked,
        }
        parts = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        done = self.total - self.not_asked
        of = f" of {self.total}" if self.not_asked else ""
        return f"{done}{of} asked: {parts}"


class BatchItemQuerySet(models.QuerySet["BatchItem"]):
    def not_asked(self) -> Self:
        return self.filter(asked_at=None)

    def refused(self) -> Self:
        return self.filter(asked_at__isnull=False, operation=None)

    def numbers(self, batches: Collection[uuid.UUID]) -> dict[uuid.UUID, Numbers]:
        """Return the numbers of some batches, with one query."""
        outcome = Case(
            When(asked_at=None, then=Value(NOT_ASKED)),
            When(operation=None, then=Value(REFUSED)),
            default=F("operation__status"),
        )
        rows = self.filter(batch__in=batches).order_by()
        counts: dict[uuid.UUID, dict[str, int]] = {id: {} for id in batches}
        times: dict[uuid.UUID, list[datetime]] = {id: [] for id in batches}
        grouped = rows.values_list("batch", outcome)
        for id, word, count, last in grouped.annotate(
            items=Count("*"), last=Max("asked_at")
        ):
            counts[id][word] = count
            times[id] += [last] if last else []
        return {id: Numbers(counts[id], max(times[id], default=None)) for id in batches}


class BatchItem(models.Model):
    """One VM of a batch. It is written before the VM is asked anything."""

    batch = models.ForeignKey(
        Batch,
        on_delete=models.CASCADE,
        related_name="items",
        db_index=False,  # the constraint begins with it
    )
    #: Where it stands in the preview.
    position = models.PositiveIntegerField()
    vm = models.ForeignKey(VM, on_delete=models.PROTECT, related_name="+")
    #: The VM's when it was shown.
    version = models.PositiveIntegerField()
    #: ``None``: nobody has asked the VM yet.
    asked_at = models.DateTimeField(null=True, blank=True)
    #: What the VM does; without one, once it was asked, it refused.
    operation = models.OneToOneField(
        Operation,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="batch_item",
    )
    refusal = models.TextField(blank=True, default="")

    objects = BatchItemQuerySet.as_manager()

    class Meta:
        default_permissions = ()
        ordering = ("batch", "position")
        constraints = (
            models.UniqueConstraint(
                fields=("batch", "position"), name="batch_item_position_once"
            ),
            models.UniqueConstraint(
                fields=("batch", "vm"), name="batch_item_once_per_vm"
            ),
            models.CheckConstraint(
                condition=Q(asked_at__isnull=False) | Q(operation=None, refusal=""),
                name="batch_item_asked_first",
            ),
        )

    def __str__(self) -> str:
        return f"{self.batch_id} {self.position}"
