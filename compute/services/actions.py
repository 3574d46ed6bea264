"""Actions: what can be asked of a thing that is there, and what each asks for.

The one table of them: who offers an action takes from here its words, its arguments and
the service that it calls.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from django.db import models

from compute.models import OperationType
from compute.services import (
    floating_ips,
    networks,
    routers,
    security_groups,
    snapshots,
    subnets,
    vms,
)


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that a service asks for; the service checks it."""

    name: str
    #: For people, beside the field.
    help: str
    example: str | bool | tuple[str, ...]
    #: All there is to choose from; ``None``: any line of text.
    choices: type[models.TextChoices] | None = None
    #: ``None``: it has to be given, unless it is optional.
    default: str | None = None
    #: Whether it may be left out.
    is_optional: bool = False
    #: Whether null means something, too.
    is_nullable: bool = False
    #: ``text``, ``flag`` (true or false) or ``texts`` (a list).
    type: Literal["text", "flag", "texts"] = "text"


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
        return self.verb.replace("-", " ").capitalize()

    def arguments_of(self, params: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what to ask with for what an operation has stored; None if unknown.

        What was left out is stored as null.
        """
        known = {
            argument.name: params[argument.name]
            for argument in self.arguments
            if argument.name in params
            and (params[argument.name] is not None or argument.is_nullable)
        }
        missing = any(
            not argument.is_optional and argument.name not in known
            for argument in self.arguments
        )
        return None if missing else known

    @property
    def method(self) -> str:
        """What a viewset calls it."""
        return self.verb.replace("-", "_")


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
        OperationType.VM_ATTACH_NETWORK,
        "attach-network",
        vms.attach_network,
        "Put it on one more network.",
        (
            Argument("network", "Name or id of the network.", "web"),
            Argument(
                "ip",
                "Its address there; any, if omitted.",
                "10.1.0.12",
                is_optional=True,
            ),
        ),
    ),
    Action(
        OperationType.VM_DETACH_NETWORK,
        "detach-network",
        vms.detach_network,
        "Take it off a network. A floating IP that leads there leads nowhere then.",
        (
            Argument(
                "network", "Name or id of the network, or the id of its port.", "web"
            ),
        ),
        is_destructive=True,
    ),
    Action(
        OperationType.VM_SET_SECURITY_GROUPS,
        "set-security-groups",
        vms.set_security_groups,
        "Give all its ports exactly these security groups.",
        (
            Argument(
                "security_groups", "Names or ids of groups.", ("web",), type="texts"
            ),
        ),
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

_NETWORK_ACTIONS = (
    Action(
        OperationType.NETWORK_DELETE,
        "delete",
        networks.delete,
        "Delete it and its subnets.",
        is_destructive=True,
    ),
)
_SUBNET_ACTIONS = (
    Action(
        OperationType.SUBNET_CONFIGURE,
        "configure",
        subnets.configure,
        "Change its gateway or its nameservers.",
        (
            Argument(
                "gateway_ip",
                "null: none. If omitted, it stays.",
                "10.1.1.1",
                is_optional=True,
                is_nullable=True,
            ),
            Argument(
                "dns_nameservers",
                "If omitted, they stay.",
                ("192.0.2.53",),
                is_optional=True,
                type="texts",
            ),
        ),
    ),
    Action(
        OperationType.SUBNET_DELETE,
        "delete",
        subnets.delete,
        "Delete it.",
        is_destructive=True,
    ),
)
_ROUTER_ACTIONS = (
    Action(
        OperationType.ROUTER_ATTACH_SUBNET,
        "attach-subnet",
        routers.attach_subnet,
        "Connect a subnet.",
        (Argument("subnet", "Name or id of the subnet.", "web-2"),),
    ),
    Action(
        OperationType.ROUTER_DETACH_SUBNET,
        "detach-subnet",
        routers.detach_subnet,
        "Disconnect a subnet.",
        (Argument("subnet", "Name or id of the subnet.", "web-2"),),
    ),
    Action(
        OperationType.ROUTER_SET_GATEWAY,
        "set-gateway",
        routers.set_gateway,
        "Connect it to an external network, or to none.",
        (
            Argument(
                "network",
                "Name or id of an external network; null: none.",
                "public",
                is_nullable=True,
            ),
        ),
    ),
    Action(
        OperationType.ROUTER_DELETE,
        "delete",
        routers.delete,
        "Delete it.",
        is_destructive=True,
    ),
)
_FLOATING_IP_ACTIONS = (
    Action(
        OperationType.FLOATING_IP_ATTACH,
        "attach",
        floating_ips.attach,
        "Lead it to a VM.",
        (
            Argument("vm", "Name or id of the VM.", "web-1"),
            Argument(
                "fixed_ip",
                "Which address of the VM, if it has several.",
                "10.1.0.12",
                is_optional=True,
            ),
            Argument(
                "force",
                "Also if it leads to another VM now.",
                False,
                is_optional=True,
                type="flag",
            ),
        ),
    ),
    Action(
        OperationType.FLOATING_IP_DETACH,
        "detach",
        floating_ips.detach,
        "Lead it nowhere.",
    ),
    Action(
        OperationType.FLOATING_IP_DELETE,
        "delete",
        floating_ips.delete,
        "Give the address back, wherever it leads.",
        is_destructive=True,
    ),
)
_SECURITY_GROUP_ACTIONS = (
    Action(
        OperationType.SECURITY_GROUP_DELETE,
        "delete",
        security_groups.delete,
        "Delete it.",
        is_destructive=True,
    ),
)
_RULE_ACTIONS = (
    Action(
        OperationType.SECURITY_GROUP_RULE_DELETE,
        "delete",
        security_groups.remove_rule,
        "Delete it.",
        is_destructive=True,
    ),
)

#: By its name, such as ``vm.stop``.
ACTIONS: Mapping[str, Action] = {
    action.name: action
    for action in (
        *_VM_ACTIONS,
        *_SNAPSHOT_ACTIONS,
        *_NETWORK_ACTIONS,
        *_SUBNET_ACTIONS,
        *_ROUTER_ACTIONS,
        *_FLOATING_IP_ACTIONS,
        *_SECURITY_GROUP_ACTIONS,
        *_RULE_ACTIONS,
    )
}
#: Those of a VM by the names that `VM.allowed_actions` gives them.
VM_ACTIONS: Mapping[str, Action] = {action.verb: action for action in _VM_ACTIONS}


def _at_actions(actions: Iterable[Action]) -> Mapping[str, Action]:
    """Return those that have a path of their own: to delete is a method of HTTP."""
    return {action.verb: action for action in actions if action.verb != "delete"}


SUBNET_ACTIONS = _at_actions(_SUBNET_ACTIONS)
ROUTER_ACTIONS = _at_actions(_ROUTER_ACTIONS)
FLOATING_IP_ACTIONS = _at_actions(_FLOATING_IP_ACTIONS)
