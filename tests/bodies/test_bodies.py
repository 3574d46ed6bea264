"""A body is the same from a model and from a row of its columns, and as declared."""

from collections.abc import Mapping
from typing import Any

import pytest
from django.db.models import Model

from compute.bodies.api_tokens import API_TOKEN_BODY
from compute.bodies.body import ID, TEXT, Body, Field
from compute.bodies.catalog import FLAVOR_BODY, IMAGE_BODY
from compute.bodies.events import EVENT_BODY
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
from compute.bodies.projects import MEMBER_BODY, PROJECT_BODY
from compute.bodies.reader import Reader
from compute.bodies.snapshots import SNAPSHOT_BODY
from compute.bodies.vms import VM_BODY
from compute.bodies.webhooks import WEBHOOK_BODY
from compute.models import (
    VM,
    APIToken,
    Event,
    Flavor,
    FloatingIP,
    Image,
    Keypair,
    Membership,
    Network,
    Operation,
    Project,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    Webhook,
)
from tests.support.populated_projects import Place, settle

BODIES: Mapping[type[Model], Body] = {
    VM: VM_BODY,
    Snapshot: SNAPSHOT_BODY,
    Operation: OPERATION_BODY,
    Event: EVENT_BODY,
    Keypair: KEYPAIR_BODY,
    Network: NETWORK_BODY,
    Subnet: SUBNET_BODY,
    Router: ROUTER_BODY,
    FloatingIP: FLOATING_IP_BODY,
    SecurityGroup: SECURITY_GROUP_BODY,
    SecurityGroupRule: SECURITY_GROUP_RULE_BODY,
    Flavor: FLAVOR_BODY,
    Image: IMAGE_BODY,
    Project: PROJECT_BODY,
    Membership: MEMBER_BODY,
    APIToken: API_TOKEN_BODY,
    Webhook: WEBHOOK_BODY,
}
HOST = Reader(lambda: "https://host")
ERROR = {
    "code": "openstack-error",
    "title": "The cloud refused or failed",
    "status": 502,
    "detail": 'No valid host: "\N{SNOWMAN}"',
    "retryable": False,
}


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]


@pytest.mark.django_db
def test_links_are_paths_unless_the_reader_says_where_they_are(
    place: Place,
) -> None:
    vm = place.vm
    vm.error = ERROR
    told = [VM_BODY.show(vm, reader)["error"]["type"] for reader in (None, HOST)]
    path = "/problems/openstack-error"
    assert told == [path, f"https://host{path}"]


def test_what_is_made_names_its_columns() -> None:
    def joined(reader: Reader, first: str, last: str) -> str:
        return f"{first} {last}"

    body = Body(
        "Person",
        "",
        Field("id", ID, ""),
        Field("name", TEXT, "", at=("first", "last"), made=joined),
        Field("boss", TEXT, "", at="boss__name", null=True),
        Field("kind", TEXT, "", at=(), made=lambda reader: "person"),
    )
    assert body.columns == ("id", "first", "last", "boss__name")
    row: dict[str, Any] = dict.fromkeys(body.columns, "x") | {"boss__name": None}
    assert body.show(row) == {"id": "x", "name": "x x", "boss": None, "kind": "person"}
