"""VMs: what can be asked of them. How it is done, and how it ends, is beside."""

from compute.services.vms.requests import (
    EDITABLE,
    RebootType,
    act,
    check,
    console_log,
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
    "check",
    "console_log",
    "create",
    "delete",
    "reboot",
    "rebuild",
    "resize",
    "restore",
    "update",
]
