"""What Nova refuses, and in which words.

The guards are Nova's own (``nova/compute/api.py``); a test compares them with those
extracted from its source. Those of verbs without arguments are in `lifecycle.VERBS`.
"""

from dataclasses import dataclass

from providers.errors import Conflict
from providers.mock.world.state import Phase


@dataclass(frozen=True, slots=True)
class Guard:
    """The states from which Nova accepts one action; ``None`` means any."""

    vm_states: frozenset[str] | None
    task_states: frozenset[str | None] | None = frozenset({None})
    launched: bool = True
    unlocked: bool = True
    on_host: bool = False


def allow(*vm_states: str, unlocked: bool = True, on_host: bool = False) -> Guard:
    """Return the guard of what starts from these states, with no task running."""
    return Guard(frozenset(vm_states), unlocked=unlocked, on_host=on_host)


SOFT_REBOOT = allow("active")
HARD_REBOOT = Guard(
    frozenset({"active", "stopped", "paused", "suspended", "error"}),
    frozenset(
        {
            None,
            "rebooting",
            "reboot_pending",
            "reboot_started",
            "rebooting_hard",
            "resuming",
            "unpausing",
            "pausing",
            "suspending",
        }
    ),
)
REBUILD = allow("active", "stopped", "error")
RESIZE = allow("active", "stopped", on_host=True)
SNAPSHOT = allow("active", "stopped", "paused", "suspended", unlocked=False)
DELETE = Guard(None, None, launched=False)


def check(
    guard: Guard, phase: Phase, *, server_id: str, locked: bool, action: str
) -> None:
    """Raise `Conflict` with Nova's words unless the guard lets ``action`` pass.

    In Nova's order: lock, host, vm_state, task_state, launched.
    """
    if guard.unlocked and locked:
        raise Conflict(f"Instance {server_id} is locked", status=409)
    if guard.on_host:
        check_host(phase, server_id)
    while_in = f"Cannot '{action}' instance {server_id} while it is in"
    if guard.vm_states is not None and phase.vm_state not in guard.vm_states:
        raise Conflict(f"{while_in} vm_state {phase.vm_state}", status=409)
    if guard.task_states is not None and phase.task_state not in guard.task_states:
        raise Conflict(f"{while_in} task_state {phase.task_state}", status=409)
    if guard.launched and not phase.launched:
        raise Conflict(
            f"Instance {server_id} is in an invalid state for '{action}'", status=409
        )


def check_host(phase: Phase, server_id: str) -> None:
    """Raise `Conflict` for a server that is on no host."""
    if not phase.on_host:
        raise Conflict(f"Instance {server_id} is not ready", status=409)
