"""Who may do what: the one table of it.

The API asks it at every request, the admin for its buttons, and the README's table is
printed from it (`manage.py permissions`). What is in no row, nobody may do.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from compute.models.project import Role
from compute.models.vm import VERBS


@dataclass(frozen=True, slots=True)
class Permission:
    #: The lowest role in the project that has it; ``None``: operators alone.
    role: Role | None
    #: What an operator's account needs, of Django's permissions.
    codename: str
    #: The app whose models it is about.
    app: str = "compute"

    @property
    def django_name(self) -> str:
        return f"{self.app}.{self.codename}"

    def is_granted_to(self, role: Role | None) -> bool:
        return (
            self.role is not None and role is not None and role.rank >= self.role.rank
        )


READER, MEMBER, ADMIN = Role.READER, Role.MEMBER, Role.ADMIN
#: What leaves the disk and the settings of a VM as they are.
_POWER = ("start", "stop", "reboot", "pause", "unpause", "suspend", "resume")
#: Delete is a verb of the lifecycle; a snapshot belongs to its own noun.
_VERBS = tuple(
    dict.fromkeys(
        verb.action
        for verb in VERBS.values()
        if verb.action not in ("delete", "snapshot", *_POWER)
    )
)

#: (noun, actions, lowest role, Django permission of an operator)
_ROWS: tuple[tuple[str, tuple[str, ...], Role | None, str], ...] = (
    ("vm", ("list", "retrieve"), READER, "view_vm"),
    ("vm", ("create",), MEMBER, "add_vm"),
    ("vm", _POWER, MEMBER, "operate_vm"),
    # A console log shows what cloud-init was told: Nova asks for a member, too.
    ("vm", ("update", "console", "console-log", *_VERBS), MEMBER, "change_vm"),
    ("vm", ("delete",), MEMBER, "delete_vm"),
    ("snapshot", ("list", "retrieve"), READER, "view_snapshot"),
    ("snapshot", ("create",), MEMBER, "add_snapshot"),
    ("snapshot", ("update",), MEMBER, "change_snapshot"),
    ("snapshot", ("delete",), MEMBER, "delete_snapshot"),
    ("keypair", ("list", "retrieve"), READER, "view_keypair"),
    ("keypair", ("create",), MEMBER, "add_keypair"),
    ("keypair", ("delete",), MEMBER, "delete_keypair"),
    ("network", ("list", "retrieve"), READER, "view_network"),
    ("network", ("create",), MEMBER, "add_network"),
    ("network", ("update",), MEMBER, "change_network"),
    ("network", ("delete",), MEMBER, "delete_network"),
    ("subnet", ("list", "retrieve"), READER, "view_subnet"),
    ("subnet", ("create",), MEMBER, "add_subnet"),
    ("subnet", ("update", "configure"), MEMBER, "change_subnet"),
    ("subnet", ("delete",), MEMBER, "delete_subnet"),
    ("router", ("list", "retrieve"), READER, "view_router"),
    ("router", ("create",), MEMBER, "add_router"),
    (
        "router",
        ("update", "attach-subnet", "detach-subnet", "set-gateway"),
        MEMBER,
        "change_router",
    ),
    ("router", ("delete",), MEMBER, "delete_router"),
    ("floating-ip", ("list", "retrieve"), READER, "view_floatingip"),
    ("floating-ip", ("create",), MEMBER, "add_floatingip"),
    ("floating-ip", ("update", "attach", "detach"), MEMBER, "change_floatingip"),
    ("floating-ip", ("delete",), MEMBER, "delete_floatingip"),
    ("security-group", ("list", "retrieve"), READER, "view_securitygroup"),
    ("security-group", ("create",), MEMBER, "add_securitygroup"),
    ("security-group", ("update", "set-rules"), MEMBER, "change_securitygroup"),
    ("security-group", ("delete",), MEMBER, "delete_securitygroup"),
    ("security-group-rule", ("list", "retrieve"), READER, "view_securitygrouprule"),
    ("security-group-rule", ("create",), MEMBER, "add_securitygrouprule"),
    ("security-group-rule", ("delete",), MEMBER, "delete_securitygrouprule"),
    # Their URLs may be secrets of the receiver, so not for readers; what they are told
    # is the log, so an admin chooses whom.
    ("webhook", ("list", "retrieve"), MEMBER, "view_webhook"),
    ("webhook", ("create",), ADMIN, "add_webhook"),
    ("webhook", ("update", "test", "rotate-secret"), ADMIN, "change_webhook"),
    ("webhook", ("delete",), ADMIN, "delete_webhook"),
    ("webhook-delivery", ("list", "retrieve"), MEMBER, "view_delivery"),
    ("webhook-delivery", ("redeliver",), ADMIN, "change_delivery"),
    ("operation", ("list", "retrieve"), READER, "view_operation"),
    ("operation", ("cancel",), MEMBER, "change_operation"),
    ("flavor", ("list", "retrieve"), READER, "view_flavor"),
    ("image", ("list", "retrieve"), READER, "view_image"),
    ("project", ("list", "retrieve"), READER, "view_project"),
    ("project", ("create",), None, "add_project"),
    ("project", ("update",), ADMIN, "change_project"),
    # Beside create or update, of which it is a part.
    ("project", ("set-clouds",), None, "change_project"),
    ("project", ("delete",), None, "delete_project"),
    ("member", ("list", "retrieve"), READER, "view_membership"),
    ("member", ("set", "remove"), ADMIN, "change_membership"),
    ("quota", ("retrieve",), READER, "view_quota"),
    ("quota", ("update",), None, "change_quota"),
    ("api-token", ("list", "retrieve"), READER, "view_apitoken"),
    # Their own, up to their own role; an admin revokes everybody's.
    ("api-token", ("create",), READER, "add_apitoken"),
    ("api-token", ("delete",), READER, "change_apitoken"),
    ("event", ("list", "retrieve", "stream"), ADMIN, "view_event"),
    # Of the console alone.
    ("login", ("list", "retrieve"), None, "view_login"),
    ("login", ("revoke",), None, "change_login"),
    ("cloud", ("list", "retrieve"), None, "view_cloud"),
    ("user", ("list", "retrieve"), None, "view_user"),
    ("user", ("create",), None, "add_user"),
    ("user", ("update",), None, "change_user"),
    ("group", ("list", "retrieve"), None, "view_group"),
    ("group", ("create",), None, "add_group"),
    ("group", ("update",), None, "change_group"),
    ("group", ("delete",), None, "delete_group"),
)
#: Nouns whose model is in an app of Django's -> that app.
_APPS = {"group": "auth"}

#: The rows as the README shows them: noun, actions, who.
TABLE: tuple[tuple[str, tuple[str, ...], Permission], ...] = tuple(
    (noun, actions, Permission(role, codename, _APPS.get(noun, "compute")))
    for noun, actions, role, codename in _ROWS
)

#: ``vm.stop`` -> who may.
PERMISSIONS: Mapping[str, Permission] = {
    f"{noun}.{action}": permission
    for noun, actions, permission in TABLE
    for action in actions
}

#: Those of Django's permissions that mean anything here.
DJANGO_NAMES = frozenset(one.django_name for one in PERMISSIONS.values())
_VIEWS = frozenset(name for name in DJANGO_NAMES if ".view_" in name)
#: Their URLs may be secrets.
_WEBHOOKS = frozenset(
    PERMISSIONS[name].django_name for name in ("webhook.list", "webhook-delivery.list")
)
_HELP = frozenset(
    PERMISSIONS[name].django_name for name in ("vm.start", "operation.cancel")
)

#: Groups of operators that exist after migrate -> what they may do then.
GROUPS: Mapping[str, frozenset[str]] = {
    "Operator": DJANGO_NAMES,
    "Auditor": _VIEWS,
    "Helpdesk": (_VIEWS - _WEBHOOKS) | _HELP,
}
