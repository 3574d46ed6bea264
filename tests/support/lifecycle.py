"""The state table as people agreed on it, written out for tests.

The product has it once, as decorators on `VM`. This is the second opinion.
"""

from dataclasses import dataclass, field

STABLE = (
    "ACTIVE",
    "SHUTOFF",
    "PAUSED",
    "SUSPENDED",
    "SHELVED_OFFLOADED",
    "RESCUE",
    "ERROR",
    "DELETED",
)
MOVING = (
    "BUILD",
    "STARTING",
    "STOPPING",
    "REBOOT",
    "RESIZE",
    "REBUILD",
    "RESTORING",
    "PAUSING",
    "UNPAUSING",
    "SUSPENDING",
    "RESUMING",
    "SHELVING",
    "UNSHELVING",
    "RESCUING",
    "UNRESCUING",
    "DELETING",
)
STATUSES = STABLE + MOVING


@dataclass(frozen=True, slots=True)
class Row:
    """One row: where it may start, what is shown meanwhile, where it settles."""

    action: str
    via: str | None
    #: From -> settles as.
    ends: dict[str, str] = field(default_factory=dict)


#: Method of `VM` -> its row.
TABLE = {
    "start": Row("start", "STARTING", {"SHUTOFF": "ACTIVE"}),
    "stop": Row("stop", "STOPPING", {"ACTIVE": "SHUTOFF"}),
    "reboot": Row("reboot", "REBOOT", {"ACTIVE": "ACTIVE"}),
    "reboot_hard": Row(
        "reboot",
        "REBOOT",
        {
            "ACTIVE": "ACTIVE",
            "PAUSED": "ACTIVE",
            "SUSPENDED": "ACTIVE",
            "ERROR": "ACTIVE",
        },
    ),
    "resize": Row("resize", "RESIZE", {"ACTIVE": "ACTIVE", "SHUTOFF": "ACTIVE"}),
    "rebuild": Row(
        "rebuild",
        "REBUILD",
        {"ACTIVE": "ACTIVE", "SHUTOFF": "SHUTOFF", "ERROR": "ACTIVE"},
    ),
    "restore": Row(
        "restore",
        "RESTORING",
        {"ACTIVE": "ACTIVE", "SHUTOFF": "SHUTOFF", "ERROR": "ACTIVE"},
    ),
    "pause": Row("pause", "PAUSING", {"ACTIVE": "PAUSED"}),
    "unpause": Row("unpause", "UNPAUSING", {"PAUSED": "ACTIVE"}),
    "suspend": Row("suspend", "SUSPENDING", {"ACTIVE": "SUSPENDED"}),
    "resume": Row("resume", "RESUMING", {"SUSPENDED": "ACTIVE"}),
    "shelve": Row(
        "shelve",
        "SHELVING",
        {
            "ACTIVE": "SHELVED_OFFLOADED",
            "SHUTOFF": "SHELVED_OFFLOADED",
            "PAUSED": "SHELVED_OFFLOADED",
            "SUSPENDED": "SHELVED_OFFLOADED",
        },
    ),
    "unshelve": Row("unshelve", "UNSHELVING", {"SHELVED_OFFLOADED": "ACTIVE"}),
    "rescue": Row(
        "rescue",
        "RESCUING",
        {"ACTIVE": "RESCUE", "SHUTOFF": "RESCUE", "ERROR": "RESCUE"},
    ),
    "unrescue": Row("unrescue", "UNRESCUING", {"RESCUE": "ACTIVE"}),
    "snapshot": Row(
        "snapshot",
        None,
        {
            "ACTIVE": "ACTIVE",
            "SHUTOFF": "SHUTOFF",
            "PAUSED": "PAUSED",
            "SUSPENDED": "SUSPENDED",
        },
    ),
    "attach_network": Row(
        "attach-network",
        None,
        {"ACTIVE": "ACTIVE", "SHUTOFF": "SHUTOFF", "PAUSED": "PAUSED"},
    ),
    "detach_network": Row(
        "detach-network",
        None,
        {"ACTIVE": "ACTIVE", "SHUTOFF": "SHUTOFF", "PAUSED": "PAUSED"},
    ),
    "set_security_groups": Row(
        "set-security-groups",
        None,
        {status: status for status in STABLE if status != "DELETED"},
    ),
    "remove": Row(
        "delete",
        "DELETING",
        {
            "ACTIVE": "DELETED",
            "SHUTOFF": "DELETED",
            "PAUSED": "DELETED",
            "SUSPENDED": "DELETED",
            "SHELVED_OFFLOADED": "DELETED",
            "RESCUE": "DELETED",
            "ERROR": "DELETED",
        },
    ),
}

#: Status -> the actions it allows.
ACTIONS_FROM = {
    status: {row.action for row in TABLE.values() if status in row.ends}
    for status in STATUSES
}
