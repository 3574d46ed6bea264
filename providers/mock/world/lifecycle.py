"""What each action does to a server, step by step.

Seconds are about those of a small real OpenStack; the cloud's ``delay`` scales them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from providers.contract.flavors import Flavor
from providers.contract.servers import ServerVerb
from providers.errors import InvalidRequest
from providers.mock.world import guards
from providers.mock.world.guards import Guard, allow
from providers.mock.world.state import SECOND, Phase

#: (seconds after the step before, the phase that begins then)
Steps = Sequence[tuple[float, Phase]]

#: The tasks during which the data of a snapshot moves.
UPLOADS = ("image_pending_upload", "image_uploading")
NO_HOST = "No valid host was found. "
ACTION_FAILED = "Error"
#: How long a deleted server still answers, as DELETED.
DELETED_LINGERS = 0.3


@dataclass(frozen=True, slots=True)
class Transition:
    """One of Nova's actions."""

    guard: Guard
    #: Nova's word in its action records and refusals.
    action: str
    steps: Callable[[Phase], Steps]
    #: Whether a failure puts the server into ERROR; otherwise it stays as it was.
    breaks: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The phases of one accepted action, and how its record ends."""

    phases: tuple[Phase, ...]
    #: ``None``: never.
    finished_at: int | None
    error: str | None = None


def run(steps: Steps, *, now: int, pace: float) -> Plan:
    """Return the plan of an action that succeeds."""
    phases = []
    at = now
    for seconds, phase in steps:
        at += int(seconds * pace * SECOND)
        phases.append(replace(phase, at=at))
    return Plan(tuple(phases), finished_at=at)


def fail(plan: Plan, *, ends_as: Phase, error: str | None = ACTION_FAILED) -> Plan:
    """Return the plan of an action that is accepted and fails behind the scenes."""
    end = plan.phases[-1].at
    return Plan((plan.phases[0], replace(ends_as, at=end)), end, error)


def fail_as_nova(
    plan: Plan, transition: Transition, *, was: Phase, message: str | None
) -> Plan:
    """Return the plan of an action that fails as it does in Nova.

    Most leave the server as it was, and only their action record tells.
    """
    if transition.breaks:
        broken = plan.phases[0].failed(message or f"The {transition.action} failed.")
        return fail(plan, ends_as=broken)
    # A reboot whose guest still runs looks as if it had worked.
    unseen = transition.action == "reboot" and was.vm_state == "active"
    return fail(
        plan,
        ends_as=replace(was, task_state=None),
        error=None if unseen else ACTION_FAILED,
    )


def stick(plan: Plan) -> Plan:
    """Return the plan of an action that begins and never ends."""
    return Plan(plan.phases[:1], finished_at=None)


def _through(seconds: float, *task_states: str, end: str) -> Callable[[Phase], Steps]:
    """Return the steps of an action that passes some tasks and settles."""

    def steps(phase: Phase) -> Steps:
        each = seconds / len(task_states)
        moving = [
            (each if number else 0.0, phase.doing(task_state))
            for number, task_state in enumerate(task_states)
        ]
        return [*moving, (each, phase.settled(end))]

    return steps


def build(phase: Phase) -> Steps:
    """Return the steps of a create; the server gets a host, then is launched."""
    placed = replace(phase, on_host=True)
    return [
        (0.0, phase.doing("scheduling")),
        (0.5, placed.doing("networking")),
        (0.7, placed.doing("spawning")),
        (1.3, replace(placed, launched=True).settled("active")),
    ]


def _shelve(phase: Phase) -> Steps:
    return [
        (0.0, phase.doing("shelving")),
        (0.4, phase.doing("shelving_image_pending_upload")),
        (0.4, phase.doing("shelving_image_uploading")),
        (0.4, phase.settled("shelved").doing("shelving_offloading")),
        (0.1, replace(phase, on_host=False).settled("shelved_offloaded")),
    ]


def _unshelve(phase: Phase) -> Steps:
    placed = replace(phase, on_host=True)
    return [
        (0.0, phase.doing("unshelving")),
        (0.4, placed.doing("spawning")),
        (1.2, placed.settled("active")),
    ]


def _snapshot(phase: Phase) -> Steps:
    return [
        (0.0, phase.doing("image_snapshot")),
        (0.2, phase.doing("image_snapshot_pending")),
        (0.3, phase.doing("image_pending_upload")),
        (0.3, phase.doing("image_uploading")),
        (1.2, replace(phase, task_state=None)),
    ]


def _confirm(phase: Phase) -> Steps:
    _check_resized(phase)
    return [
        (0.0, replace(phase, confirming=True)),
        (0.7, _after_resize(phase, flavor_id=phase.flavor_id)),
    ]


def _check_resized(phase: Phase) -> None:
    if phase.confirming:
        raise InvalidRequest("Instance has not been resized.", status=400)


def _after_resize(phase: Phase, *, flavor_id: str) -> Phase:
    done = replace(phase, flavor_id=flavor_id, old_flavor_id=None, confirming=False)
    return done.settled(phase.old_vm_state)


def resize(phase: Phase, *, old: Flavor, new: Flavor) -> Steps:
    """Return the steps of a resize from ``old``, the present flavor."""
    if new.id == old.id:
        raise InvalidRequest("When resizing, instances must change flavor!", status=400)
    if new.disk_gb < old.disk_gb:
        raise InvalidRequest("Resize to a smaller disk is not allowed.", status=400)
    moved = replace(phase, flavor_id=new.id)
    resized = replace(moved, old_flavor_id=old.id, old_vm_state=phase.vm_state)
    return [
        (0.0, phase.doing("resize_prep")),
        (0.3, phase.doing("resize_migrating")),
        (0.7, phase.doing("resize_migrated")),
        (0.3, moved.doing("resize_finish")),
        (0.7, resized.settled("resized")),
    ]


def rebuild(phase: Phase, *, image_id: str) -> Steps:
    """Return the steps of a rebuild from an image."""
    end = "stopped" if phase.vm_state == "stopped" else "active"
    tasks = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
    return _through(1.5, *tasks, end=end)(replace(phase, image_id=image_id))


#: The verbs of the contract that take no arguments.
VERBS: Mapping[ServerVerb, Transition] = {
    "start": Transition(
        allow("stopped", on_host=True),
        "start",
        _through(1.0, "powering-on", end="active"),
    ),
    "stop": Transition(
        allow("active", "error", on_host=True),
        "stop",
        _through(1.0, "powering-off", end="stopped"),
    ),
    "pause": Transition(
        allow("active"), "pause", _through(0.6, "pausing", end="paused")
    ),
    "unpause": Transition(
        allow("paused"), "unpause", _through(0.6, "unpausing", end="active")
    ),
    "suspend": Transition(
        allow("active"), "suspend", _through(0.8, "suspending", end="suspended")
    ),
    "resume": Transition(
        allow("suspended"), "resume", _through(0.8, "resuming", end="active")
    ),
    "rescue": Transition(
        allow("active", "stopped", "error"),
        "rescue",
        _through(1.2, "rescuing", end="rescued"),
    ),
    "unrescue": Transition(
        allow("rescued"), "unrescue", _through(1.2, "unrescuing", end="active")
    ),
    "shelve": Transition(
        allow("active", "stopped", "paused", "suspended"), "shelve", _shelve
    ),
    "unshelve": Transition(
        allow("shelved", "shelved_offloaded"), "unshelve", _unshelve
    ),
    "confirm_resize": Transition(
        allow("resized"), "confirmResize", _confirm, breaks=True
    ),
}
SOFT_REBOOT = Transition(
    guards.SOFT_REBOOT, "reboot", _through(1.2, "rebooting", end="active")
)
HARD_REBOOT = Transition(
    guards.HARD_REBOOT, "reboot", _through(1.2, "rebooting_hard", end="active")
)
SNAPSHOT = Transition(guards.SNAPSHOT, "createImage", _snapshot)
DELETE = Transition(
    guards.DELETE, "delete", _through(0.8, "deleting", end="deleted"), breaks=True
)
