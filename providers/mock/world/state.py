"""What a server is at one moment: its plan, read by the clock.

A server has no thread that moves it. Its record carries a plan, a list of phases with
the time each begins, and its state is the last phase that has begun.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000


def microseconds(moment: datetime) -> int:
    """Return the time as stored: exact, ordered, the same in every process."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def whole_second(stamp: int) -> datetime:
    """Return a stored time as Nova shows it, without its fraction."""
    return datetime.fromtimestamp(stamp // SECOND, UTC)


@dataclass(frozen=True, slots=True)
class Phase:
    """The state of a server from ``at`` on, in the words inside Nova."""

    at: int
    vm_state: str
    task_state: str | None
    flavor_id: str
    image_id: str
    launched: bool = True
    on_host: bool = True
    #: Only while resized: what a revert returns to.
    old_flavor_id: str | None = None
    old_vm_state: str = "active"
    #: A confirmation runs; Nova sets no task for it.
    confirming: bool = False
    fault: str | None = None

    @property
    def has_failed_to_build(self) -> bool:
        """Whether the server never ran, and never will."""
        return self.vm_state == "error" and not self.launched

    def doing(self, task_state: str) -> "Phase":
        """Return this phase with a task running."""
        return replace(self, task_state=task_state)

    def settled(self, vm_state: str) -> "Phase":
        """Return this phase at rest in ``vm_state``."""
        return replace(self, vm_state=vm_state, task_state=None, fault=None)

    def failed(self, message: str) -> "Phase":
        """Return this phase in ERROR."""
        return replace(
            self, vm_state="error", task_state=None, confirming=False, fault=message
        )


def current(plan: Sequence[Phase], now: int) -> Phase:
    """Return the phase that ``now`` falls into."""
    for phase in reversed(plan):
        if phase.at <= now:
            return phase
    return plan[0]


def dump(plan: Sequence[Phase]) -> str:
    """Return a plan as text."""
    return json.dumps([asdict(phase) for phase in plan])


def load(text: str) -> tuple[Phase, ...]:
    """Return the plan that `dump` wrote."""
    return tuple(Phase(**fields) for fields in json.loads(text))


#: The API's word for each vm_state at rest.
STATUS = {
    "active": "ACTIVE",
    "building": "BUILD",
    "stopped": "SHUTOFF",
    "paused": "PAUSED",
    "suspended": "SUSPENDED",
    "rescued": "RESCUE",
    "resized": "VERIFY_RESIZE",
    "shelved": "SHELVED",
    "shelved_offloaded": "SHELVED_OFFLOADED",
    "error": "ERROR",
    "deleted": "DELETED",
}
VM_STATE = {status: vm_state for vm_state, status in STATUS.items()}

_RESIZING = ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
_REBUILDING = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
#: Tasks that the API shows in the status, by vm_state. Others (powering-off, pausing,
#: …) leave the status as it is.
_STATUS_OF_TASK = {
    "active": {
        "rebooting": "REBOOT",
        "rebooting_hard": "HARD_REBOOT",
        **dict.fromkeys(_RESIZING, "RESIZE"),
        **dict.fromkeys(_REBUILDING, "REBUILD"),
    },
    "stopped": {
        **dict.fromkeys(_RESIZING, "RESIZE"),
        **dict.fromkeys(_REBUILDING, "REBUILD"),
    },
    "error": dict.fromkeys(_REBUILDING, "REBUILD"),
}


def api_status(phase: Phase) -> str:
    """Return the status that Nova's API computes from vm_state and task_state."""
    if phase.task_state is not None:
        words = _STATUS_OF_TASK.get(phase.vm_state, {})
        if phase.task_state in words:
            return words[phase.task_state]
    return STATUS[phase.vm_state]
