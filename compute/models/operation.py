"""Operation: one requested piece of work; the durable outbox row."""

import uuid
from datetime import datetime
from typing import Self

from django.db import models
from django.db.models import Count, Q
from django.db.models.functions import Cast, Substr
from django.utils import timezone


class OperationStatus(models.TextChoices):
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


#: Work in these is not over: it occupies what it is about.
LIVE = (OperationStatus.PENDING, OperationStatus.RUNNING)
ENDED = (
    OperationStatus.SUCCEEDED,
    OperationStatus.FAILED,
    OperationStatus.CANCELLED,
)


class OperationType(models.TextChoices):
    VM_CREATE = "vm.create"
    VM_START = "vm.start"
    VM_STOP = "vm.stop"
    VM_REBOOT = "vm.reboot"
    VM_RESIZE = "vm.resize"
    VM_REBUILD = "vm.rebuild"
    VM_RESTORE = "vm.restore"
    VM_PAUSE = "vm.pause"
    VM_UNPAUSE = "vm.unpause"
    VM_SUSPEND = "vm.suspend"
    VM_RESUME = "vm.resume"
    VM_SHELVE = "vm.shelve"
    VM_UNSHELVE = "vm.unshelve"
    VM_RESCUE = "vm.rescue"
    VM_UNRESCUE = "vm.unrescue"
    VM_ATTACH_NETWORK = "vm.attach-network"
    VM_DETACH_NETWORK = "vm.detach-network"
    VM_SET_SECURITY_GROUPS = "vm.set-security-groups"
    VM_DELETE = "vm.delete"
    SNAPSHOT_CREATE = "snapshot.create"
    SNAPSHOT_DELETE = "snapshot.delete"
    NETWORK_CREATE = "network.create"
    NETWORK_DELETE = "network.delete"
    SUBNET_CREATE = "subnet.create"
    SUBNET_CONFIGURE = "subnet.configure"
    SUBNET_DELETE = "subnet.delete"
    ROUTER_CREATE = "router.create"
    ROUTER_ATTACH_SUBNET = "router.attach-subnet"
    ROUTER_DETACH_SUBNET = "router.detach-subnet"
    ROUTER_SET_GATEWAY = "router.set-gateway"
    ROUTER_DELETE = "router.delete"
    FLOATING_IP_CREATE = "floating-ip.create"
    FLOATING_IP_ATTACH = "floating-ip.attach"
    FLOATING_IP_DETACH = "floating-ip.detach"
    FLOATING_IP_DELETE = "floating-ip.delete"
    SECURITY_GROUP_CREATE = "security-group.create"
    SECURITY_GROUP_SET_RULES = "security-group.set-rules"
    SECURITY_GROUP_DELETE = "security-group.delete"
    SECURITY_GROUP_RULE_CREATE = "security-group-rule.create"
    SECURITY_GROUP_RULE_DELETE = "security-group-rule.delete"


class OperationQuerySet(models.QuerySet["Operation"]):
    def live(self) -> Self:
        return self.filter(status__in=LIVE)

    def claimable(self, now: datetime) -> Self:
        """Return what a worker may take: new, or left by one that is gone."""
        return self.filter(
            Q(status=OperationStatus.PENDING)
            | Q(status=OperationStatus.RUNNING, lease_until__lte=now)
        )

    def about(self, kind: str, *ids: uuid.UUID) -> Self:
        """Return those that are or were about things of one kind, as target or else."""
        return self.filter(
            Q(target_kind=kind, target_id__in=ids)
            | Q(related_kind=kind, related_id__in=ids)
        )

    def ended_since(self, time: datetime) -> Self:
        return self.filter(status__in=ENDED, finished_at__gte=time)

    def newest_failures(self) -> Self:
        failed = self.filter(status=OperationStatus.FAILED)
        return failed.order_by("-finished_at")

    def count_by_hour(self) -> "dict[tuple[datetime, str], int]":
        """Return how many ended in each hour, of UTC, and in each status."""
        # The beginning of the time as text, "2026-11-28 18", which both databases write
        # alike: SQLite has no hours, and Django would call Python for each row.
        hour = Substr(Cast("finished_at", models.TextField()), 1, 13)
        rows = self.order_by().values_list(hour, "status").annotate(ended=Count("*"))
        return {
            (datetime.strptime(f"{text}+0000", "%Y-%m-%d %H%z"), status): count
            for text, status, count in rows
        }

    def occupying(self, kind: str, id: uuid.UUID) -> "Operation | None":
        """Return the live operation that holds a thing."""
        return self.filter(occupations__kind=kind, occupations__target_id=id).first()

    def waiting(self) -> Self:
        """Return what the cloud works on and the next pass may end."""
        return self.filter(status=OperationStatus.RUNNING, lease_until=None)


class Operation(models.Model):
    """Work asked of a cloud.

    PENDING: written, no worker has it. RUNNING with a lease: a worker has it until
    then. RUNNING without: the cloud has it, passes watch.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    type = models.CharField(max_length=32, choices=OperationType.choices)
    status = models.CharField(
        max_length=16, choices=OperationStatus.choices, default=OperationStatus.PENDING
    )
    project = models.ForeignKey(
        "compute.Project",
        on_delete=models.PROTECT,
        related_name="operations",
        db_index=False,  # others begin with it
    )
    cloud = models.CharField(max_length=64)
    #: What it makes, changes or deletes: a slug of `compute.models.kinds`, and an id.
    target_kind = models.CharField(max_length=32)
    target_id = models.UUIDField()
    #: What else it occupies: the VM of a snapshot, the snapshot of a restore.
    related_kind = models.CharField(max_length=32, blank=True, default="")
    related_id = models.UUIDField(null=True, blank=True)
    #: The request's arguments, resolved.
    params = models.JSONField(default=dict, blank=True)
    #: The target's status before: where a cancelled operation returns to.
    from_status = models.CharField(max_length=32, blank=True, default="")
    #: Where it ends when it succeeds.
    end_status = models.CharField(max_length=32, blank=True, default="")

    #: ``user:alice``, ``system``, …
    requested_by = models.CharField(max_length=255)
    request_id = models.CharField(max_length=64, blank=True, default="")

    #: What is being done, for people: our step, or Nova's task_state.
    step = models.CharField(max_length=64, blank=True, default="")
    #: Percent.
    progress = models.PositiveSmallIntegerField(default=0)
    error = models.JSONField(null=True, blank=True)
    cancel_requested = models.BooleanField(default=False)

    #: Times a worker took it.
    attempts = models.PositiveIntegerField(default=0)
    #: Retryable failures in a row.
    failures = models.PositiveIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    deadline = models.DateTimeField()
    #: When the call now under way was sent: written before it is sent.
    issued_at = models.DateTimeField(null=True, blank=True)
    #: The call now under way, in the contract's word (``servers.stop``).
    call = models.CharField(max_length=32, blank=True, default="")
    #: The cloud's id of that call; empty until its answer was stored.
    receipt = models.CharField(max_length=64, blank=True, default="")

    created_at = models.DateTimeField(default=timezone.now, editable=False)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = OperationQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=OperationStatus.values),
                name="operation_status_known",
            ),
            models.CheckConstraint(
                condition=Q(type__in=OperationType.values),
                name="operation_type_known",
            ),
            models.CheckConstraint(
                condition=Q(related_kind="", related_id=None)
                | (~Q(related_kind="") & Q(related_id__isnull=False)),
                name="operation_related_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("PENDING", "RUNNING"), finished_at=None)
                | (
                    ~Q(status__in=("PENDING", "RUNNING")) & Q(finished_at__isnull=False)
                ),
                name="operation_finished_has_time",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="operation_by_creation"),
            models.Index(
                fields=("project", "created_at", "id"),
                name="operation_by_project_creation",
            ),
            models.Index(
                fields=("target_kind", "target_id", "-created_at"),
                name="operation_by_target",
            ),
            models.Index(
                fields=("related_kind", "related_id", "-created_at"),
                condition=Q(related_id__isnull=False),
                name="operation_by_related",
            ),
            models.Index(
                fields=("requested_by", "created_at"), name="operation_by_requester"
            ),
            models.Index(fields=("request_id",), name="operation_by_request"),
            # A type or a status may be rare: in order within a project; over all
            # projects few, or found soon in any order.
            models.Index(
                fields=("type", "project", "created_at", "id"),
                name="operation_by_type",
            ),
            models.Index(
                fields=("status", "project", "created_at", "id"),
                condition=~Q(status="SUCCEEDED"),
                name="operation_not_succeeded",
            ),
            # What ended of late, by its end, and how much is under way. Over all of them,
            # because SQLite uses no partial index for a status that is a parameter.
            models.Index(fields=("status", "finished_at"), name="operation_by_end"),
            models.Index(
                fields=("cloud", "status", "lease_until"),
                condition=Q(status__in=("PENDING", "RUNNING")),
                name="operation_live",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.id}"

    @property
    def is_live(self) -> bool:
        return self.status in LIVE


class Occupation(models.Model):
    """What a live operation holds: nothing else may begin on it. Gone when it ends."""

    operation = models.ForeignKey(
        Operation, on_delete=models.CASCADE, related_name="occupations"
    )
    kind = models.CharField(max_length=32)
    target_id = models.UUIDField()

    class Meta:
        default_permissions = ()
        constraints = (
            # The one constraint that decides every race for a thing.
            models.UniqueConstraint(
                fields=("kind", "target_id"), name="occupied_by_one_operation"
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.target_id}"
