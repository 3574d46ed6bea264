"""Networks and subnets over HTTP."""

from typing import Any

import pytest

from compute.models import Network, Subnet
from compute.services import catalog
from providers.mock import MockCloud
from tests.conftest import Drain, list_networks
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory
from tests.support.network_api import NETWORK, VM, acted, made, offered, shown

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def network(api: Api) -> dict[str, Any]:
    return made(api, "/networks", NETWORK)


@pytest.fixture
def subnet(api: Api, network: dict[str, Any]) -> dict[str, Any]:
    return shown(api, f"/subnets/{network['subnets'][0]['id']}")


# Networks


def test_one_call_makes_a_network_with_a_way_to_the_internet(
    api: Api, drain: Drain
) -> None:
    answer = api.post("/networks", {**NETWORK, "internet": True}, Idempotency_Key="k")
    begun = answer.json()
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(f"/networks/{begun['id']}")
    assert answer.headers["Operation-Location"].endswith(begun["operation_id"])
    assert answer.headers["Retry-After"] == "2"
    assert (begun["status"], begun["subnets"]) == ("CREATING", [])
    assert begun["allowed_actions"] == []
    drain()
    done = api.post("/networks", {**NETWORK, "internet": True}, Idempotency_Key="k")
    assert done.status_code == 201
    assert done.headers["Idempotent-Replayed"] == "true"
    network = done.json()
    assert network == shown(api, f"/networks/{begun['id']}")
    assert (network["status"], network["mtu"]) == ("ACTIVE", 1450)
    assert (network["shared"], network["external"]) == (False, False)
    (range,) = network["subnets"]
    assert range["cidr"] == NETWORK["cidr"]
    (router,) = api.get("/routers").json()["results"]
    assert router["subnets"] == [range]
    assert router["external_network"] == offered(api, "/networks", "public")["id"]
    assert router["external_ip"]
    subnet = shown(api, f"/subnets/{range['id']}")
    assert (subnet["router"], subnet["gateway_ip"]) == (router["id"], "10.1.0.1")
    assert Network.objects.filter(name="web").count() == 1


def test_its_name_changes_at_once(api: Api, network: dict[str, Any]) -> None:
    path = f"/networks/{network['id']}"
    tag = f'"{network["version"]}"'
    assert api.get(path, If_None_Match=tag).status_code == 304
    body = {"name": "front", "description": "x", "labels": {"a": "b"}}
    answer = api.patch(path, body, If_Match=tag)
    assert answer.status_code == 200
    assert {name: answer.json()[name] for name in body} == body
    assert answer.json()["version"] == network["version"] + 1
    problem(api.patch(path, body, If_Match=tag), 412, "precondition-failed")
    problem(api.delete(path, If_Match=tag), 412, "precondition-failed")
    assert api.names("/networks?label_selector=a=b") == ["front"]


def test_a_deleted_one_stays_readable_on_demand(
    api: Api, network: dict[str, Any], drain: Drain
) -> None:
    path = f"/networks/{network['id']}"
    answer = api.delete(path)
    assert (answer.status_code, answer.json()["status"]) == (202, "DELETING")
    problem(api.delete(path), 409, "operation-in-progress")
    drain()
    problem(api.get(path), 404, "not-found")
    problem(api.delete(path), 404, "not-found")
    gone = api.get(f"{path}?include_deleted=true").json()
    assert gone["status"] == "DELETED"
    assert gone["deleted_at"]
    assert "web" not in api.names("/networks")
    assert "web" in api.names("/networks?include_deleted=true")
    assert not Subnet.objects.alive().filter(network=network["id"]).exists()


def test_one_in_use_says_who_uses_it_and_what_frees_it(
    api: Api, network: dict[str, Any]
) -> None:
    vm = made(api, "/vms", {**VM, "networks": ["web"]})
    for path in (
        f"/networks/{network['id']}",
        f"/subnets/{network['subnets'][0]['id']}",
    ):
        refused = problem(api.delete(path), 409, "resource-in-use")
        assert refused["in_use_by"] == [{"kind": "vm", "id": vm["id"], "name": "web-1"}]
        assert "POST /vms/{id}/actions/detach-network" in refused["detail"]
    acted(api, f"/vms/{vm['id']}", "detach-network", {"network": "web"})
    assert api.delete(f"/networks/{network['id']}").status_code == 202


def test_one_with_a_router_says_so(api: Api) -> None:
    network = made(api, "/networks", {**NETWORK, "internet": True})
    (router,) = api.get("/routers").json()["results"]
    for path in (
        f"/networks/{network['id']}",
        f"/subnets/{network['subnets'][0]['id']}",
    ):
        refused = problem(api.delete(path), 409, "resource-in-use")
        assert refused["in_use_by"] == [
            {"kind": "router", "id": router["id"], "name": "web"}
        ]
        assert f"/routers/{router['id']}/actions/detach-subnet" in refused["detail"]


def test_what_the_cloud_offers_is_readable_and_refuses_writes(api: Api) -> None:
    member = as_user(MembershipFactory.create(role="admin").user)
    network = offered(api, "/networks", "private")
    (group,) = api.get("/security-groups?name=default").json()["results"]
    for path in (
        f"/networks/{network['id']}",
        f"/subnets/{network['subnets'][0]['id']}",
        f"/security-groups/{group['id']}",
        f"/security-group-rules/{group['rules'][0]['id']}",
    ):
        row = member.get(path).json()
        assert (row["project"], row.get("allowed_actions", [])) == (None, [])
        writes = ["DELETE"]
        if "rules/" not in path:
            writes.append("PATCH")
        for method in writes:
            body = {"name": "mine"} if method == "PATCH" else None
            problem(member.call(method, path, body), 403, "permission-denied")
            problem(api.call(method, path, body), 409, "invalid-transition")
    rules = f"/security-groups/{group['id']}/rules"
    assert member.get(rules).json()["count"] == len(group["rules"])
    rule = {"direction": "ingress"}
    for method, path, sent in (
        ("POST", rules, rule),
        ("PUT", rules, {"rules": [rule]}),
        ("DELETE", f"{rules}/{group['rules'][0]['id']}", None),
        (
            "POST",
            f"/subnets/{network['subnets'][0]['id']}/actions/configure",
            {"gateway_ip": None},
        ),
    ):
        problem(member.call(method, path, sent), 403, "permission-denied")
        problem(api.call(method, path, sent), 409, "invalid-transition")
    subnet = {"name": "x", "network": network["id"], "cidr": "10.9.0.0/24"}
    assert errors(api.post("/subnets", subnet)) == [("#/network", "does_not_exist")]


def test_lists_are_filtered(api: Api, network: dict[str, Any]) -> None:
    assert api.names("/networks?external=true") == ["public"]
    assert api.names("/networks?shared=true") == []
    assert api.names("/networks?external=false") == ["web", "private"]
    assert api.names(f"/networks?project={network['project']}") == ["web"]
    assert api.names("/networks?status=ACTIVE&name__contains=we") == ["web"]
    assert api.names(f"/networks?search={network['id'][:8]}") == ["web"]
    assert api.names("/networks?cloud=nowhere") == []
    assert api.names("/networks?ordering=name") == ["private", "public", "web"]
    assert api.names(f"/subnets?network={network['id']}") == ["web"]
    assert errors(api.get("/subnets?external=true")) == [("external", "unknown")]
    assert errors(api.get("/networks?external=yes")) == [("external", "invalid_choice")]
    assert errors(api.get("/networks?status=active")) == [("status", "invalid_choice")]


# What is refused before a cloud is asked


@pytest.mark.parametrize(
    ("cidr", "code"),
    [
        ("10.1.0.5/24", "host_bits"),
        ("fd00:1::1/64", "host_bits"),
        ("10.1.0.0", "invalid"),
        ("10.1.0.0/33", "invalid"),
        ("10.1.0.0/255.255.255.0", "invalid"),
        ("10.1.0.0/0.0.0.255", "invalid"),
        ("web", "invalid"),
        ("fe80::%eth0/64", "invalid"),
        ("8.0.0.0/7", "invalid"),
        ("10.1.0.0/30", "invalid"),
        ("10.1.0.0/32", "invalid"),
        ("fd00::/16", "invalid"),
        ("fd00::/127", "invalid"),
        ("127.0.0.0/24", "reserved"),
        ("169.254.0.0/24", "reserved"),
        ("224.0.0.0/24", "reserved"),
        ("0.0.0.0/8", "reserved"),
        ("fe80::/64", "reserved"),
        ("ff02::/64", "reserved"),
        ("", "blank"),
        (None, "null"),
        (10, "invalid"),
        ("1" * 256, "max_length"),
    ],
)
def test_a_range_that_is_none(
    api: Api, network: dict[str, Any], cidr: object, code: str
) -> None:
    body = {"name": "new", "cidr": cidr}
    assert errors(api.post("/networks", body)) == [("#/cidr", code)]
    body["network"] = network["id"]
    assert errors(api.post("/subnets", body)) == [("#/cidr", code)]
    assert Network.objects.filter(name="new").count() == 0


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"internet": True}, [("#/cidr", "required")]),
        ({"internet": "yes"}, [("#/internet", "invalid")]),
        ({"name": None}, [("#/name", "null")]),
        ({"name": " web"}, [("#/name", "invalid")]),
        ({"cloud": "nowhere"}, [("#/cloud", "does_not_exist")]),
        ({"labels": {"": "x"}}, [("#/labels/", "invalid")]),
        ({"shared": True}, [("#/shared", "unknown")]),
        ({"mtu": 9000}, [("#/mtu", "unknown")]),
        (
            {"project": "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"},
            [("#/project", "does_not_exist")],
        ),
    ],
)
def test_a_network_that_is_none(
    api: Api, body: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert errors(api.post("/networks", {"name": "new", **body})) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"cidr": "10.1.0.0/24"}, ("#/cidr", "overlap")),
        ({"cidr": "10.1.0.128/25"}, ("#/cidr", "overlap")),
        ({"cidr": "10.0.0.0/8"}, ("#/cidr", "overlap")),
        ({"gateway_ip": "10.3.0.1"}, ("#/gateway_ip", "outside")),
        ({"gateway_ip": "fd00::1"}, ("#/gateway_ip", "outside")),
        ({"gateway_ip": "10.2.0.0"}, ("#/gateway_ip", "reserved")),
        ({"gateway_ip": "10.2.0.255"}, ("#/gateway_ip", "reserved")),
        ({"gateway_ip": "x"}, ("#/gateway_ip", "invalid")),
        ({"gateway_ip": "default"}, ("#/gateway_ip", "invalid")),
        ({"dns_nameservers": ["x"]}, ("#/dns_nameservers/0", "invalid")),
        (
            {"dns_nameservers": ["192.0.2.1", "192.0.2.1"]},
            ("#/dns_nameservers", "repeated"),
        ),
        (
            {"dns_nameservers": [f"192.0.2.{n}" for n in range(6)]},
            ("#/dns_nameservers", "max_length"),
        ),
        ({"dhcp": 1}, ("#/dhcp", "invalid")),
        (
            {"allocation_pools": [{"start": "10.2.0.9", "end": "10.2.0.8"}]},
            ("#/allocation_pools/0/end", "invalid"),
        ),
        (
            {"allocation_pools": [{"start": "10.1.0.9", "end": "10.2.0.8"}]},
            ("#/allocation_pools/0/start", "outside"),
        ),
        (
            {"allocation_pools": [{"start": "10.2.0.1", "end": "10.2.0.8"}]},
            ("#/allocation_pools/0", "gateway"),
        ),
        (
            {
                "allocation_pools": [
                    {"start": "10.2.0.9", "end": "10.2.0.20"},
                    {"start": "10.2.0.20", "end": "10.2.0.30"},
                ]
            },
            ("#/allocation_pools/1", "overlap"),
        ),
        ({"network": "nothing"}, ("#/network", "does_not_exist")),
        ({"ip_version": 4}, ("#/ip_version", "unknown")),
    ],
)
def test_a_subnet_that_is_none(
    api: Api,
    network: dict[str, Any],
    body: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    subnet = {"name": "new", "network": "web", "cidr": "10.2.0.0/24"}
    assert errors(api.post("/subnets", {**subnet, **body})) == [expected]


def test_a_network_of_another_cloud_is_not_there(
    api: Api, network: dict[str, Any], other_cloud: MockCloud
) -> None:
    catalog.refresh("other")
    list_networks("other")
    for name in ("web", network["id"]):
        body = {**VM, "cloud": "other", "networks": [name]}
        assert errors(api.post("/vms", body)) == [("#/networks/0", "does_not_exist")]
    body = {**VM, "cloud": "other", "security_groups": ["default"]}
    assert api.post("/vms", body).status_code == 202


# Subnets


def test_a_subnet_is_configured(
    api: Api, network: dict[str, Any], subnet: dict[str, Any]
) -> None:
    path = f"/subnets/{subnet['id']}"
    changes = {"gateway_ip": "10.1.0.1", "dns_nameservers": ["192.0.2.53"]}
    problem(
        api.post(f"{path}/actions/configure", changes, If_Match='"99"'),
        412,
        "precondition-failed",
    )
    done = acted(api, path, "configure", changes)
    assert {name: done[name] for name in changes} == changes
    done = acted(api, path, "configure", {"gateway_ip": None})
    assert (done["gateway_ip"], done["dns_nameservers"]) == (None, ["192.0.2.53"])
    for body, expected in (
        ({"gateway_ip": "10.9.0.1"}, ("#/gateway_ip", "outside")),
        ({"gateway_ip": "10.1.0.254"}, ("#/gateway_ip", "in_pool")),
        ({"dns_nameservers": ["x"]}, ("#/dns_nameservers/0", "invalid")),
        ({"cidr": "10.1.0.0/25"}, ("#/cidr", "unknown")),
    ):
        refused = api.post(f"{path}/actions/configure", body)
        assert errors(refused) == [expected]


def test_a_subnet_of_ipv6_is_made_and_deleted(
    api: Api, network: dict[str, Any], drain: Drain
) -> None:
    subnet = made(
        api, "/subnets", {"name": "six", "network": "web", "cidr": "fd00:1::/64"}
    )
    assert (subnet["ip_version"], subnet["gateway_ip"]) == (6, "fd00:1::1")
    ranges = shown(api, f"/networks/{network['id']}")["subnets"]
    assert [range["cidr"] for range in ranges] == ["10.1.0.0/24", "fd00:1::/64"]
    assert api.delete(f"/subnets/{subnet['id']}").status_code == 202
    drain()
    assert len(shown(api, f"/networks/{network['id']}")["subnets"]) == 1
