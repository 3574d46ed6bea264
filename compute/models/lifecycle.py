"""The statuses of a VM, and how a change of them is declared."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import models
from django_fsm import transition


class VMStatus(models.TextChoices):
    """Nova's words where Nova has one; all of them published from day one."""

    ACTIVE = "ACTIVE", "Active"
    SHUTOFF = "SHUTOFF", "Shut off"
    PAUSED = "PAUSED", "Paused"
    SUSPENDED = "SUSPENDED", "Suspended"
    SHELVED_OFFLOADED = "SHELVED_OFFLOADED", "Shelved"
    RESCUE = "RESCUE", "Rescue"
    ERROR = "ERROR", "Error"
    DELETED = "DELETED", "Deleted"
    BUILD = "BUILD", "Building"
    STARTING = "STARTING", "Starting"
    STOPPING = "STOPPING", "Stopping"
    REBOOT = "REBOOT", "Rebooting"
    RESIZE = "RESIZE", "Resizing"
    REBUILD = "REBUILD", "Rebuilding"
    RESTORING = "RESTORING", "Restoring"
    PAUSING = "PAUSING", "Pausing"
    UNPAUSING = "UNPAUSING", "Unpausing"
    SUSPENDING = "SUSPENDING", "Suspending"
    RESUMING = "RESUMING", "Resuming"
    SHELVING = "SHELVING", "Shelving"
    UNSHELVING = "UNSHELVING", "Unshelving"
    RESCUING = "RESCUING", "Rescuing"
    UNRESCUING = "UNRESCUING", "Unrescuing"
    DELETING = "DELETING", "Deleting"


S = VMStatus

#: A VM rests in these until somebody acts.
STABLE = (
    S.ACTIVE,
    S.SHUTOFF,
    S.PAUSED,
    S.SUSPENDED,
    S.SHELVED_OFFLOADED,
    S.RESCUE,
    S.ERROR,
    S.DELETED,
)
#: Stable statuses of a VM that still exists: what a cloud can report.
RESTING = tuple(status for status in STABLE if status != S.DELETED)
#: An operation is under way in these.
MOVING = tuple(status for status in S if status not in STABLE)

#: ``observed_status`` of a VM whose server is gone.
GONE = "DELETED"


def lacks_server(status: str, *, has_server: bool, observed_status: str) -> bool:
    """Whether a VM at rest has no server: it could not be made, or is gone.

    Such a VM is in ERROR; any other status was seen in the cloud.
    """
    return status == S.ERROR and (not has_server or observed_status == GONE)


def takes_only_delete(
    status: str, *, has_server: bool, observed_status: str, never_launched: bool
) -> bool:
    """Whether nothing but a delete can be done with a VM at rest.

    It lacks a server, or has one that was never launched, of which Nova refuses all
    else whatever its status.
    """
    return (never_launched and status in RESTING) or lacks_server(
        status, has_server=has_server, observed_status=observed_status
    )


def _takes_all(vm: Any) -> bool:
    return not vm.takes_only_delete


def verb(
    field: Any,
    action: str,
    *,
    via: VMStatus | None,
    ends: Mapping[VMStatus, VMStatus],
    needs_server: bool = True,
) -> Callable[[Callable[..., None]], Any]:
    """Declare a transition a user can ask for.

    ``ends`` says for each status it may start from where it settles when it
    succeeds; ``via`` is the status meanwhile, ``None`` for "unchanged". All but a
    delete needs a server, and one that was launched.
    """
    decorated: Callable[[Callable[..., None]], Any] = transition(
        field,
        source=list(ends),
        target=via,
        conditions=[_takes_all] if needs_server else [],
        custom={"action": action, "ends": ends, "needs_server": needs_server},
    )
    return decorated
