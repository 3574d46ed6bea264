"""Actions: what can be asked of a thing that is there, and what each asks for.

The one table of them: who offers an action takes from here its words, its arguments and
the service that it calls.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import models

from compute.models import OperationType
from compute.services import snapshots, vms


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that a service asks for; the service checks it."""

    name: str
    #: For people, beside the field.
    help: str
    example: str
    #: All there is to choose from; ``None``: any line of text.
    choices: type[models.TextChoices] | None = None
    #: ``None``: it has to be given.
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Action:
    #: The type of the operation that it begins, which is its permission's name, too.
    name: OperationType
    #: What the target calls it, among its allowed actions and in addresses.
    verb: str
    #: Takes the target, and by name ``actor``, ``expect`` and the arguments. Returns
    #: what has ``operation``.
    service: Callable[..., Any]
    #: What it does, in one sentence for people.
    summary: str
    arguments: tuple[Argument, ...] = ()
    #: What to know before asking for it.
    note: str = ""
    #: Whether something is lost that nothing brings back.
    is_destructive: bool = False

    @property
    def label(self) -> str:
        """The text of its button."""
        return self.verb.capitalize()


def _plain(verb: str, summary: str) -> Action:
    """Return an action of VMs that needs nothing but the VM."""
    service = partial(vms.act, method=verb)
    return Action(OperationType(f"vm.{verb}"), verb, service, summary)


_VM_ACTIONS = (
    _plain("start", "Switch it on."),
    _plain("stop", "Shut it down."),
    Action(
        OperationType.VM_REBOOT,
        "reboot",
        vms.reboot,
        "Restart it. `HARD` is also a way out of ERROR.",
        (
            Argument(
                "type",
                "HARD cuts the power.",
                "HARD",
                choices=vms.RebootType,
                default=vms.RebootType.SOFT,
            ),
        ),
        note="Hard cuts the power.",
    ),
    Action(
        OperationType.VM_RESIZE,
        "resize",
        vms.resize,
        "Change its flavor. It is started, even if it was off.",
        (Argument("flavor", "Name or id of the new flavor.", "m1.medium"),),
        note="It restarts, even if it was off.",
    ),
    Action(
        OperationType.VM_REBUILD,
        "rebuild",
        vms.rebuild,
        "Start over from an image. Everything on its disk is lost.",
        (
            Argument(
                "image", "Name or id of the image to start over from.", "debian-12"
            ),
        ),
        note="Everything on its disk is lost.",
        is_destructive=True,
    ),
    Action(
        OperationType.VM_RESTORE,
        "restore",
        vms.restore,
        "Go back to one of its own snapshots.",
        (
            Argument(
                "snapshot", "Id or name of a snapshot of this VM.", "before-upgrade"
            ),
        ),
        note="Everything written since then is lost.",
        is_destructive=True,
    ),
    _plain("pause", "Freeze it, in memory."),
    _plain("unpause", "Continue a paused VM."),
    _plain("suspend", "Freeze it, on disk."),
    _plain("resume", "Continue a suspended VM."),
    _plain("shelve", "Remove it from its host, keeping it as an image."),
    _plain("unshelve", "Bring a shelved VM back."),
    _plain("rescue", "Boot it from a rescue image, with its own disk attached."),
    _plain("unrescue", "Boot a rescued VM from its own disk again."),
    Action(
        OperationType.SNAPSHOT_CREATE,
        "snapshot",
        snapshots.create,
        "Take a snapshot of it.",
        (Argument("name", "Name of the snapshot.", "before-upgrade"),),
        note="No other action is possible until it ends.",
    ),
    Action(
        OperationType.VM_DELETE,
        "delete",
        vms.delete,
        ("Delete it. It stays readable, as DELETED, with `include_deleted=true`."),
        note="The server and its disk are removed from the cloud for good.",
        is_destructive=True,
    ),
)
_SNAPSHOT_ACTIONS = (
    Action(
        OperationType.SNAPSHOT_DELETE,
        "delete",
        snapshots.delete,
        "Delete it and its image.",
        note="Its image is removed from the cloud for good.",
        is_destructive=True,
    ),
)

#: By its name, such as ``vm.stop``.
ACTIONS: Mapping[str, Action] = {
    action.name: action for action in (*_VM_ACTIONS, *_SNAPSHOT_ACTIONS)
}
#: Those of a VM by the names that `VM.allowed_actions` gives them.
VM_ACTIONS: Mapping[str, Action] = {action.verb: action for action in _VM_ACTIONS}
