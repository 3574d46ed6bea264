"""VM, and every legal change of its status.

The `verb` decorators on `VM` are the table of the product: `allowed_actions`, the
409 bodies, the admin's buttons and the README's table are read from them.
"""

from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django_fsm import RETURN_VALUE, FSMField, FSMModelMixin, transition

from compute.models.lifecycle import (
    MOVING,
    RESTING,
    VMStatus,
    lacks_server,
    takes_only_delete,
    verb,
)
from compute.models.operation import LIVE, Operation
from compute.models.owned import CloudResource
from compute.models.vm_queries import UserDataEncoding, VMQuerySet

S = VMStatus
#: Where Nova attaches and detaches ports; the status stays as it is.
_AS_IT_IS = {status: status for status in (S.ACTIVE, S.SHUTOFF, S.PAUSED)}


class VM(FSMModelMixin, CloudResource):
    """A server of a cloud; counted until it is gone, or lacks a server.

    Its status changes under its row lock alone, so that no two changes meet.
    """

    kind = "vm"
    UNSEEN = frozenset(
        {
            *("server_id", "observed_status", "observed_at", "missing_since"),
            *("never_launched", "counted", "user_data", "user_data_encoding"),
            *("reserved_vcpus", "reserved_ram_mb", "reserved_disk_gb"),
        }
    )

    delete_protection = models.BooleanField(default=False)
    #: Given to cloud-init, as the client wrote it; never shown or logged, and kept
    #: until the create has ended.
    user_data = models.TextField(blank=True, default="")
    user_data_encoding = models.CharField(
        max_length=8, choices=UserDataEncoding.choices, default=UserDataEncoding.PLAIN
    )

    #: As the client named them, and what that resolved to.
    flavor_name = models.CharField(max_length=255)
    flavor = models.ForeignKey(
        "compute.Flavor", on_delete=models.PROTECT, null=True, related_name="vms"
    )
    image_name = models.CharField(max_length=255)
    image = models.ForeignKey(
        "compute.Image", on_delete=models.PROTECT, null=True, related_name="vms"
    )
    #: As the client named it; of an imported VM, as its cloud has it.
    keypair_name = models.CharField(max_length=255, blank=True, default="")
    keypair = models.ForeignKey(
        "compute.Keypair",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="vms",
    )
    vcpus = models.PositiveIntegerField()
    ram_mb = models.PositiveIntegerField()
    disk_gb = models.PositiveIntegerField()
    #: What a resize under way holds beyond that.
    reserved_vcpus = models.PositiveIntegerField(default=0)
    reserved_ram_mb = models.PositiveIntegerField(default=0)
    reserved_disk_gb = models.PositiveIntegerField(default=0)

    #: What we show.
    status = FSMField(choices=VMStatus.choices, default=VMStatus.BUILD, protected=True)
    #: What the cloud last said, in its own word, and when it was said.
    observed_status = models.CharField(max_length=32, blank=True, default="")
    observed_at = models.DateTimeField(null=True, blank=True)
    #: When a complete listing first lacked the server; the second one is proof.
    missing_since = models.DateTimeField(null=True, blank=True)
    #: Nova's id of the server.
    server_id = models.CharField(max_length=64, blank=True, default="")
    #: Whether the cloud said that its server was never launched. What it has not said
    #: forbids nothing.
    never_launched = models.BooleanField(default=False)
    #: ``[{"ip", "version", "network", "type", "mac"}]``
    addresses = models.JSONField(default=list, blank=True)
    #: ``[{"network", "port", "mac", "addresses", "security_groups"}]``: its ports, as
    #: `compute.services.ports` shows them.
    networks = models.JSONField(default=list, blank=True)
    #: Ids of the groups of all its ports.
    security_groups = models.JSONField(default=list, blank=True)

    objects = VMQuerySet.as_manager()

    class Meta:
        verbose_name = "VM"
        verbose_name_plural = "VMs"
        ordering = ("-created_at", "-id")
        permissions = (("operate_vm", "Can start, stop, reboot, pause and suspend VM"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(status__in=VMStatus.values), name="vm_status_known"
            ),
            models.CheckConstraint(
                condition=(Q(status="DELETED") & Q(deleted_at__isnull=False))
                | (~Q(status="DELETED") & Q(deleted_at=None)),
                name="vm_deleted_has_time",
            ),
            models.UniqueConstraint(
                fields=("cloud", "server_id"),
                condition=~Q(server_id=""),
                name="vm_owns_its_server",
            ),
        )
        # One index for each ordering that lists offer; it serves filters by common values
        # too. Rare values have indexes of their own.
        indexes = (
            models.Index(fields=("created_at", "id"), name="vm_by_creation"),
            models.Index(fields=("updated_at", "id"), name="vm_by_update"),
            models.Index(fields=("name", "id"), name="vm_by_name"),
            models.Index(fields=("flavor_name",), name="vm_by_flavor_name"),
            models.Index(fields=("image_name",), name="vm_by_image_name"),
            # In order within a project; else few, or found soon in any order.
            models.Index(
                fields=("status", "project", "created_at", "id", "deleted_at"),
                name="vm_by_status",
            ),
            # And again within a project, which is all that its members see.
            models.Index(
                fields=("project", "created_at", "id"), name="vm_by_project_creation"
            ),
            models.Index(
                fields=("project", "updated_at", "id"), name="vm_by_project_update"
            ),
            models.Index(fields=("project", "name", "id"), name="vm_by_project_name"),
            # The deleted ones pile up. Counts the others without a look at any row.
            models.Index(
                fields=("project", "created_at", "id"),
                condition=Q(deleted_at=None),
                name="vm_alive",
            ),
        )

    # The lifecycle: each verb with where it may start and where it ends.

    @verb(status, "start", via=S.STARTING, ends={S.SHUTOFF: S.ACTIVE})
    def start(self) -> None: ...

    @verb(status, "stop", via=S.STOPPING, ends={S.ACTIVE: S.SHUTOFF})
    def stop(self) -> None: ...

    @verb(status, "reboot", via=S.REBOOT, ends={S.ACTIVE: S.ACTIVE})
    def reboot(self) -> None: ...

    @verb(
        status,
        "reboot",
        via=S.REBOOT,
        ends={
            S.ACTIVE: S.ACTIVE,
            S.PAUSED: S.ACTIVE,
            S.SUSPENDED: S.ACTIVE,
            S.ERROR: S.ACTIVE,
        },
    )
    def reboot_hard(self) -> None: ...

    @verb(
        status,
        "resize",
        via=S.RESIZE,
        ends={S.ACTIVE: S.ACTIVE, S.SHUTOFF: S.ACTIVE},
    )
    def resize(self) -> None: ...

    @verb(
        status,
        "rebuild",
        via=S.REBUILD,
        ends={S.ACTIVE: S.ACTIVE, S.SHUTOFF: S.SHUTOFF, S.ERROR: S.ACTIVE},
    )
    def rebuild(self) -> None: ...

    @verb(
        status,
        "restore",
        via=S.RESTORING,
        ends={S.ACTIVE: S.ACTIVE, S.SHUTOFF: S.SHUTOFF, S.ERROR: S.ACTIVE},
    )
    def restore(self) -> None: ...

    @verb(status, "pause", via=S.PAUSING, ends={S.ACTIVE: S.PAUSED})
    def pause(self) -> None: ...

    @verb(status, "unpause", via=S.UNPAUSING, ends={S.PAUSED: S.ACTIVE})
    def unpause(self) -> None: ...

    @verb(status, "suspend", via=S.SUSPENDING, ends={S.ACTIVE: S.SUSPENDED})
    def suspend(self) -> None: ...

    @verb(status, "resume", via=S.RESUMING, ends={S.SUSPENDED: S.ACTIVE})
    def resume(self) -> None: ...

    @verb(
        status,
        "shelve",
        via=S.SHELVING,
        ends={
            S.ACTIVE: S.SHELVED_OFFLOADED,
            S.SHUTOFF: S.SHELVED_OFFLOADED,
            S.PAUSED: S.SHELVED_OFFLOADED,
            S.SUSPENDED: S.SHELVED_OFFLOADED,
        },
    )
    def shelve(self) -> None: ...

    @verb(status, "unshelve", via=S.UNSHELVING, ends={S.SHELVED_OFFLOADED: S.ACTIVE})
    def unshelve(self) -> None: ...

    @verb(
        status,
        "rescue",
        via=S.RESCUING,
        ends={S.ACTIVE: S.RESCUE, S.SHUTOFF: S.RESCUE, S.ERROR: S.RESCUE},
    )
    def rescue(self) -> None: ...

    @verb(status, "unrescue", via=S.UNRESCUING, ends={S.RESCUE: S.ACTIVE})
    def unrescue(self) -> None: ...

    @verb(
        status,
        "snapshot",
        via=None,
        ends={
            S.ACTIVE: S.ACTIVE,
            S.SHUTOFF: S.SHUTOFF,
            S.PAUSED: S.PAUSED,
            S.SUSPENDED: S.SUSPENDED,
        },
    )
    def snapshot(self) -> None: ...

    @verb(status, "attach-network", via=None, ends=_AS_IT_IS)
    def attach_network(self) -> None: ...

    @verb(status, "detach-network", via=None, ends=_AS_IT_IS)
    def detach_network(self) -> None: ...

    @verb(
        status,
        "set-security-groups",
        via=None,
        ends={status: status for status in RESTING},
    )
    def set_security_groups(self) -> None: ...

    @verb(
        status,
        "delete",
        via=S.DELETING,
        ends=dict.fromkeys(RESTING, S.DELETED),
        needs_server=False,
    )
    def remove(self) -> None: ...

    # The ends. `delete` is Django's own method, hence `remove`.

    @transition(status, source=list(MOVING), target=RETURN_VALUE(*RESTING))
    def settle(self, seen: VMStatus) -> VMStatus:
        """End an operation on what the cloud says."""
        return seen

    @transition(status, source=list(RESTING), target=RETURN_VALUE(*RESTING))
    def follow(self, seen: VMStatus) -> VMStatus:
        """Take over a change made outside."""
        return seen

    @transition(status, source=[S.DELETING, S.BUILD], target=S.DELETED)
    def mark_deleted(self) -> None:
        """End a delete, or a cancelled create: the row stays."""
        self.deleted_at = timezone.now()

    # What can be asked of it now

    @property
    def live_operation(self) -> Operation | None:
        """The operation that occupies it: its newest, which lists have joined."""
        operation = self.operation
        return operation if operation is not None and operation.is_live else None

    @property
    def has_server(self) -> bool:
        "Whether its server is known: it may be gone by now."
        return bool(self.server_id)

    @property
    def lacks_server(self) -> bool:
        """Whether the cloud has no server for it."""
        return lacks_server(
            self.status,
            has_server=self.has_server,
            observed_status=self.observed_status,
        )

    @property
    def takes_only_delete(self) -> bool:
        """Whether the cloud has nothing for it that could do more than go."""
        return takes_only_delete(
            self.status,
            has_server=self.has_server,
            observed_status=self.observed_status,
            never_launched=self.never_launched,
        )

    @property
    def allowed_actions(self) -> tuple[str, ...]:
        "The actions that are allowed now."
        return allowed_actions(
            self.status,
            protected=self.delete_protection,
            only_delete=self.takes_only_delete,
            operation_status=self.operation.status if self.operation else None,
        )


class Verb:
    """One `verb` of the table, as declared."""

    def __init__(self, method: str, target: str | None, custom: dict[str, Any]) -> None:
        self.method = method
        self.action: str = custom["action"]
        self.via = VMStatus(target) if target else None
        self.ends: Mapping[VMStatus, VMStatus] = custom["ends"]
        self.needs_server: bool = custom["needs_server"]


def _declared_verbs() -> dict[str, Verb]:
    verbs: dict[str, Verb] = {}
    for name, method in vars(VM).items():
        meta = getattr(method, "_django_fsm", None)
        if meta is None:
            continue
        for row in meta.transitions.values():
            if "action" in row.custom:
                verbs[name] = Verb(name, row.target, row.custom)
    return verbs


#: Method name -> verb, in the order of the table.
VERBS = _declared_verbs()


def _actions(
    status: VMStatus, *, protected: bool, only_delete: bool = False
) -> tuple[str, ...]:
    names = (
        verb.action
        for verb in VERBS.values()
        if status in verb.ends and not (only_delete and verb.needs_server)
    )
    distinct = dict.fromkeys(names)
    if protected:
        distinct.pop("delete", None)
    return tuple(distinct)


#: (status, delete_protection) -> action names: a look-up, so that a list does not
#: walk over transitions per row.
ACTIONS = {
    (status, protected): _actions(status, protected=protected)
    for status in VMStatus
    for protected in (False, True)
}
#: delete_protection -> action names of a VM that takes a delete and nothing else.
ONLY_DELETE = {
    protected: _actions(S.ERROR, protected=protected, only_delete=True)
    for protected in (False, True)
}


def allowed_actions(
    status: str, *, protected: bool, only_delete: bool, operation_status: str | None
) -> tuple[str, ...]:
    """Return what would not be refused of a VM, from what a row of a list holds."""
    if operation_status in LIVE:
        return ()
    if only_delete:
        return ONLY_DELETE[protected]
    return ACTIONS[VMStatus(status), protected]
