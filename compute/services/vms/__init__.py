"""VMs: what can be asked of them. How it is done, and how it ends, is beside."""

from compute.services.vms.consoles import console_log, remote_console
from compute.services.vms.interfaces import (
    attach_network,
    detach_network,
    set_security_groups,
)
from compute.services.vms.requests import (
    EDITABLE,
    RebootType,
    act,
    check,
    create,
    delete,
    reboot,
    rebuild,
    resize,
    restore,
    update,
)

__all__ = [
    "EDITABLE",
    "RebootType",
    "act",
    "attach_network",
    "check",
    "console_log",
    "create",
    "delete",
    "detach_network",
    "reboot",
    "rebuild",
    "remote_console",
    "resize",
    "restore",
    "set_security_groups",
    "update",
]
