"""Resources: the things that events are about, as GET shows them, many at a time."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

import orjson
from django.db.models import F, QuerySet

from compute import statements
from compute.bodies.api_tokens import API_TOKEN_BODY
from compute.bodies.body import Body, Field
from compute.bodies.keypairs import KEYPAIR_BODY
from compute.bodies.networks import (
    FLOATING_IP_BODY,
    NETWORK_BODY,
    ROUTER_BODY,
    SECURITY_GROUP_BODY,
    SECURITY_GROUP_RULE_BODY,
    SUBNET_BODY,
)
from compute.bodies.operations import OPERATION_BODY
from compute.bodies.projects import MEMBER_BODY, PROJECT_BODY, QUOTA_BODY, quota_of
from compute.bodies.reader import Reader
from compute.bodies.snapshots import SNAPSHOT_BODY
from compute.bodies.vms import VM_BODY
from compute.bodies.webhooks import WEBHOOK_BODY
from compute.bodies.written import writer_of
from compute.models import (
    VM,
    APIToken,
    FloatingIP,
    Keypair,
    Membership,
    Network,
    Operation,
    Project,
    Quota,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    Webhook,
)
from compute.statements import Among

#: Which one of its kind: an id, and a name where that is not enough.
Place = tuple[UUID, str]
Key = tuple[str, UUID, str]
Shown = Mapping[Place, dict[str, Any]]
Show = Callable[[Collection[Place], Reader], Shown]


def _by_id(body: Body, rows: QuerySet[Any, Any]) -> Show:
    def show(places: Collection[Place], reader: Reader) -> Shown:
        writer = writer_of(body)
        statement = statements.kept(
            ("resources", writer),
            lambda: (
                rows.filter(Among(F("pk"))).order_by().values_list(*writer.selected)
            ),
        )
        ids = [id for id, _ in places]
        wanted = rows.model._default_manager.filter(pk__in=ids).order_by()
        found = statement.page_among(
            statements.compiled(wanted.values_list("pk"), prefix="q"),
            {},
            limit=len(ids),
            offset=0,
        )
        bodies = orjson.loads(writer.array(found, reader, statement))
        return {(UUID(shown["id"]), ""): shown for shown in bodies}

    return show


def _quotas(places: Collection[Place], reader: Reader) -> Shown:
    projects = Project.objects.alive().filter(pk__in=[id for id, _ in places])
    return {
        (id, ""): QUOTA_BODY.show(quota_of(rows), reader)
        for id, rows in Quota.objects.of(*projects).items()
    }


def _members(places: Collection[Place], reader: Reader) -> Shown:
    members = Membership.objects.select_related("user").filter(
        project__in=[id for id, _ in places],
        user__username__in=[name for _, name in places],
    )
    return {
        (member.project_id, member.user.get_username()): MEMBER_BODY.show(
            member, reader
        )
        for member in members
    }


#: Slug of `compute.models.subjects` -> how its things are shown: those that GET finds.
SHOWN: Mapping[str, tuple[Body, Show]] = {
    **{
        kind: (body, _by_id(body, rows))
        for kind, body, rows in (
            ("vm", VM_BODY, VM.objects.alive()),
            ("snapshot", SNAPSHOT_BODY, Snapshot.objects.alive()),
            ("keypair", KEYPAIR_BODY, Keypair.objects.alive()),
            ("network", NETWORK_BODY, Network.objects.alive()),
            ("subnet", SUBNET_BODY, Subnet.objects.alive()),
            ("router", ROUTER_BODY, Router.objects.alive()),
            ("floating-ip", FLOATING_IP_BODY, FloatingIP.objects.alive()),
            ("security-group", SECURITY_GROUP_BODY, SecurityGroup.objects.alive()),
            (
                "security-group-rule",
                SECURITY_GROUP_RULE_BODY,
                SecurityGroupRule.objects.alive(),
            ),
            ("webhook", WEBHOOK_BODY, Webhook.objects.alive()),
            ("operation", OPERATION_BODY, Operation.objects.all()),
            ("project", PROJECT_BODY, Project.objects.alive()),
            ("api-token", API_TOKEN_BODY, APIToken.objects.alive()),
        )
    },
    "quota": (QUOTA_BODY, _quotas),
    "member": (MEMBER_BODY, _members),
}


def find(subjects: Iterable[Key], reader: Reader) -> Mapping[Key, dict[str, Any]]:
    """Return the bodies of subjects by their kind, id and name, as they are now.

    Those that GET would not find are left out. One query for each kind.
    """
    places: dict[str, set[Place]] = {}
    for kind, id, name in subjects:
        places.setdefault(kind, set()).add((id, name))
    return {
        (kind, *place): shown
        for kind, wanted in places.items()
        for place, shown in SHOWN[kind][1](wanted, reader).items()
    }


def changes_of(
    kind: str, stored: Mapping[str, Sequence[Any]], reader: Reader
) -> dict[str, list[Any]]:
    """Return what changed of a thing, columns -> [before, after], in its body's words."""
    fields = _fields(kind) if kind else {}
    changes = {}
    for column, pair in stored.items():
        field = fields.get(column)
        if field is None:
            changes[column] = [*pair]
            continue
        changes[field.name] = [
            value
            if field.made is None or (value is None and field.null)
            else field.made(reader, value)
            for value in pair
        ]
    return changes


@cache
def _fields(kind: str) -> Mapping[str, Field]:
    """Return the fields of a body that show one column, by that."""
    body, _ = SHOWN[kind]
    return {field.columns[0]: field for field in body.fields if len(field.columns) == 1}
