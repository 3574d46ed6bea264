"""Networks, and all that belongs to them, as a person sees them in a browser."""

from typing import Any

import pytest
from django.test import Client

from compute.models import VM, Network, Router, SecurityGroup
from tests.api.test_browsable import NEW, browser, page, submit
from tests.conftest import Drain
from tests.support.api import Api
from tests.support.network_api import VM as NEW_VM
from tests.support.network_api import made

__all__ = ["browser"]
pytestmark = pytest.mark.usefixtures("catalogue")

NOUNS = (
    "networks",
    "subnets",
    "routers",
    "floating-ips",
    "security-groups",
    "security-group-rules",
)


@pytest.fixture
def vm(api: Api) -> dict[str, Any]:
    """A VM on a network of its own, with a group and a floating IP."""
    made(api, "/networks", {"name": "web", "cidr": "10.1.0.0/24", "internet": True})
    made(api, "/security-groups", {"name": "web"})
    body = {**NEW_VM, "networks": ["web"], "security_groups": ["web"]}
    vm = made(api, "/vms", body)
    made(api, "/floating-ips", {"vm": vm["id"]})
    return vm


def test_every_list_and_every_row_of_it_is_a_page(
    api: Api, browser: Client, vm: dict[str, Any]
) -> None:
    for noun in NOUNS:
        rows = api.get(f"/{noun}").json()["results"]
        listed = page(browser, f"/{noun}")
        assert rows
        for row in rows:
            assert f'href="http://testserver/api/v1/{noun}/{row["id"]}"' in listed
            assert row["id"] in page(browser, f"/{noun}/{row['id']}")
    group = SecurityGroup.objects.get(name="web")
    rules = page(browser, f"/security-groups/{group.pk}/rules")
    assert "egress IPv4 any</a>" in rules
    network = Network.objects.get(name="web")
    assert f"/subnets?network={network.pk}" in page(browser, f"/networks/{network.pk}")


def test_the_pages_lead_to_networks(browser: Client, api: Api) -> None:
    front = page(browser, "/")
    for noun in ("networks", "floating-ips", "security-groups"):
        assert f'href="/api/v1/{noun}"' in front


def test_they_are_made_with_forms(browser: Client, api: Api, drain: Drain) -> None:
    fields = {"name": "web", "cidr": "10.1.0.0/24", "internet": "true", "labels": ""}
    made = submit(browser, "/networks", **fields, cloud="default", description="")
    assert made.status_code == 202, made.content
    group = {"name": "web", "labels": "", "cloud": "default", "description": ""}
    assert submit(browser, "/security-groups", **group).status_code == 202
    drain()
    assert Router.objects.get().subnets
    text = {"description": "", "labels": "", "user_data": "", "keypair": "alice"}
    fields = {
        **NEW,
        **{name: text[name] for name in ("description", "labels", "user_data")},
        "cloud": "default",
        "networks": '["web"]',
        "security_groups": '["web"]',
    }
    assert submit(browser, "/vms", **fields).status_code == 202
    refused = submit(browser, "/vms", **fields | {"networks": '["web"'})
    assert refused.status_code == 400
    assert "[&quot;web&quot;" in refused.content.decode()
    drain()
    vm = VM.objects.get()
    assert [place["network"] for place in vm.networks] == [
        str(Network.objects.get(name="web").pk)
    ]
    assert vm.security_groups == [str(SecurityGroup.objects.get(name="web").pk)]


def test_a_vm_has_forms_for_its_networks(
    browser: Client, vm: dict[str, Any], drain: Drain
) -> None:
    path = f"/vms/{vm['id']}"
    text = page(browser, path)
    for verb in ("attach-network", "detach-network", "set-security-groups"):
        assert f'action="/api/v1{path}/actions/{verb}"' in text
    assert 'name="security_groups"' in text
    answer = submit(
        browser, f"{path}/actions/set-security-groups", security_groups='["web"]'
    )
    assert answer.status_code == 202, answer.content
    drain()
    detach = submit(browser, f"{path}/actions/detach-network", network="web")
    assert detach.status_code == 202
    drain()
    assert VM.objects.get().networks == []


def test_a_field_of_a_form_may_stay_empty(browser: Client, api: Api) -> None:
    fields = {"name": "edge", "labels": "", "cloud": "", "description": ""}
    for outside in ("", "public"):
        answer = submit(browser, "/routers", **fields, external_network=outside)
        assert answer.status_code == 202, answer.content
    gateways = [router.external_network for router in Router.objects.order_by("pk")]
    assert sorted(gateway.name for gateway in gateways if gateway) == ["public"]
    assert len(gateways) == 2
