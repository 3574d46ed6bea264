"""Floating IPs over HTTP."""

from typing import Any

import pytest

from compute.services import catalog
from providers.mock import MockCloud
from tests.conftest import Drain, list_networks
from tests.support.api import Api, errors, problem
from tests.support.network_api import NETWORK, VM, acted, made, offered, shown

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def network(api: Api) -> dict[str, Any]:
    return made(api, "/networks", {**NETWORK, "internet": True})


@pytest.fixture
def vm(api: Api, network: dict[str, Any]) -> dict[str, Any]:
    return made(api, "/vms", {**VM, "networks": ["web"]})


@pytest.fixture
def floating_ip(api: Api) -> dict[str, Any]:
    return made(api, "/floating-ips", {"labels": {"a": "b"}})


def ip_of(vm: dict[str, Any]) -> str:
    (place,) = vm["networks"]
    ip: str = place["addresses"][0]["ip"]
    return ip


def test_three_calls_from_nothing_to_a_vm_that_is_reached(
    api: Api, vm: dict[str, Any], drain: Drain
) -> None:
    answer = api.post("/floating-ips", {"vm": "web-1"}, Idempotency_Key="k")
    assert answer.status_code == 202
    begun = answer.json()
    assert (begun["address"], begun["vm"], begun["name"]) == (None, None, "")
    assert answer.headers["Location"].endswith(f"/floating-ips/{begun['id']}")
    drain()
    done = api.post("/floating-ips", {"vm": "web-1"}, Idempotency_Key="k")
    assert (done.status_code, done.headers["Idempotent-Replayed"]) == (201, "true")
    floating_ip = done.json()
    assert floating_ip["network"] == offered(api, "/networks", "public")["id"]
    assert (floating_ip["vm"], floating_ip["fixed_ip"]) == (vm["id"], ip_of(vm))
    (place,) = shown(api, f"/vms/{vm['id']}")["networks"]
    assert floating_ip["port"] == place["port"]
    assert {"ip": floating_ip["address"], "type": "floating"} in place["addresses"]
    assert api.get("/floating-ips").json()["count"] == 1


def test_it_is_attached_moved_and_detached(
    api: Api, vm: dict[str, Any], floating_ip: dict[str, Any], drain: Drain
) -> None:
    other = made(api, "/vms", {**VM, "name": "web-2", "networks": ["web"]})
    path = f"/floating-ips/{floating_ip['id']}"
    attached = acted(api, path, "attach", {"vm": "web-1"})
    assert (attached["vm"], attached["fixed_ip"]) == (vm["id"], ip_of(vm))
    refused = api.post(f"{path}/actions/attach", {"vm": "web-2"})
    found = problem(refused, 409, "resource-in-use")
    assert found["in_use_by"] == [{"kind": "vm", "id": vm["id"], "name": "web-1"}]
    moved = acted(api, path, "attach", {"vm": other["id"], "force": True})
    assert moved["vm"] == other["id"]
    left, there = (shown(api, f"/vms/{row['id']}") for row in (vm, other))
    assert floating_ip["address"] not in str(left["addresses"])
    assert floating_ip["address"] in str(there["addresses"])
    detached = acted(api, path, "detach", {})
    assert [detached[name] for name in ("vm", "port", "fixed_ip")] == [None] * 3
    assert acted(api, path, "detach", {})["vm"] is None
    tag = f'"{detached["version"]}"'
    problem(api.delete(path, If_Match=tag), 412, "precondition-failed")
    assert api.delete(path).status_code == 202
    drain()
    problem(api.get(path), 404, "not-found")
    assert api.get(f"{path}?include_deleted=true").json()["status"] == "DELETED"


def test_an_address_leads_to_one_floating_ip(
    api: Api, vm: dict[str, Any], floating_ip: dict[str, Any]
) -> None:
    made(api, "/floating-ips", {"vm": "web-1"})
    answers = (
        api.post("/floating-ips", {"vm": "web-1"}),
        api.post(f"/floating-ips/{floating_ip['id']}/actions/attach", {"vm": "web-1"}),
    )
    for answer in answers:
        (user,) = problem(answer, 409, "resource-in-use")["in_use_by"]
        assert user["kind"] == "floating-ip"


def test_the_vm_is_held_meanwhile(
    api: Api, vm: dict[str, Any], floating_ip: dict[str, Any]
) -> None:
    path = f"/floating-ips/{floating_ip['id']}/actions/attach"
    assert api.post(path, {"vm": "web-1"}).status_code == 202
    problem(api.post(path, {"vm": "web-1"}), 409, "operation-in-progress")
    stop = api.post(f"/vms/{vm['id']}/actions/stop")
    problem(stop, 409, "operation-in-progress")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"vm": "nobody"}, ("#/vm", "does_not_exist")),
        ({"vm": "web-1", "fixed_ip": "10.9.0.1"}, ("#/fixed_ip", "does_not_exist")),
        ({"vm": "web-1", "fixed_ip": "x"}, ("#/fixed_ip", "invalid")),
        ({"vm": None}, ("#/vm", "null")),
        ({"vm": ["web-1"]}, ("#/vm", "invalid")),
        ({"address": "198.18.0.9"}, ("#/address", "unknown")),
    ],
)
def test_a_destination_that_is_none(
    api: Api,
    vm: dict[str, Any],
    floating_ip: dict[str, Any],
    body: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    assert errors(api.post("/floating-ips", body)) == [expected]
    answer = api.post(
        f"/floating-ips/{floating_ip['id']}/actions/attach", {"vm": "web-1", **body}
    )
    assert errors(answer) == [expected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"network": "web"}, ("#/network", "does_not_exist")),
        ({"network": "private"}, ("#/network", "does_not_exist")),
        ({"fixed_ip": "10.1.0.9"}, ("#/fixed_ip", "conflict")),
        ({"cloud": "nowhere"}, ("#/cloud", "does_not_exist")),
        ({"name": ""}, ("#/name", "blank")),
    ],
)
def test_a_floating_ip_that_is_none(
    api: Api,
    network: dict[str, Any],
    body: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    assert errors(api.post("/floating-ips", body)) == [expected]


def test_a_vm_of_another_cloud_is_refused(
    api: Api, vm: dict[str, Any], other_cloud: MockCloud
) -> None:
    catalog.refresh("other")
    list_networks("other")
    elsewhere = made(api, "/floating-ips", {"cloud": "other"})
    path = f"/floating-ips/{elsewhere['id']}/actions/attach"
    for answer in (
        api.post(path, {"vm": "web-1"}),
        api.post("/floating-ips", {"cloud": "other", "vm": "web-1"}),
    ):
        assert errors(answer) == [("#/vm", "other_cloud")]


def test_a_vm_with_two_addresses_is_reached_where_a_router_is(
    api: Api, network: dict[str, Any]
) -> None:
    made(api, "/networks", {"name": "back", "cidr": "10.2.0.0/24"})
    vm = made(api, "/vms", {**VM, "networks": ["back", {"network": "web"}]})
    made(api, "/networks", {"name": "third", "cidr": "10.3.0.0/24"})
    attached = made(api, "/floating-ips", {"vm": vm["id"]})
    assert attached["fixed_ip"].startswith("10.1.0.")
    lonely = made(api, "/vms", {**VM, "name": "x", "networks": ["back", "third"]})
    answer = api.post("/floating-ips", {"vm": lonely["id"]})
    assert errors(answer) == [("#/fixed_ip", "required")]


def test_lists_are_filtered(
    api: Api, vm: dict[str, Any], floating_ip: dict[str, Any]
) -> None:
    leading = made(api, "/floating-ips", {"vm": "web-1", "name": "front"})

    def ids(query: str) -> list[str]:
        rows = api.get(f"/floating-ips?{query}").json()["results"]
        return [row["id"] for row in rows]

    assert ids(f"vm={vm['id']}") == [leading["id"]]
    assert ids(f"address={floating_ip['address']}") == [floating_ip["id"]]
    assert ids("label_selector=a=b") == [floating_ip["id"]]
    assert ids("search=fro") == [leading["id"]]
    assert errors(api.get("/floating-ips?vm=web-1")) == [("vm", "invalid")]
