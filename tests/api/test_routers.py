"""Routers over HTTP."""

from typing import Any

import pytest

from tests.conftest import Drain
from tests.support.api import Api, errors, problem
from tests.support.network_api import NETWORK, VM, acted, made, offered, shown

pytestmark = pytest.mark.usefixtures("catalogue")


@pytest.fixture
def network(api: Api) -> dict[str, Any]:
    return made(api, "/networks", NETWORK)


@pytest.fixture
def router(api: Api, network: dict[str, Any]) -> dict[str, Any]:
    return made(api, "/routers", {"name": "edge"})


def test_the_life_of_a_router(
    api: Api, network: dict[str, Any], router: dict[str, Any], drain: Drain
) -> None:
    path, public = f"/routers/{router['id']}", offered(api, "/networks", "public")
    assert (router["external_network"], router["subnets"]) == (None, [])
    assert router["allowed_actions"] == [
        *("attach-subnet", "detach-subnet", "set-gateway", "delete")
    ]
    router = acted(api, path, "set-gateway", {"network": "public"})
    assert router["external_network"] == public["id"]
    assert router["external_ip"].startswith("198.18.")
    router = acted(api, path, "attach-subnet", {"subnet": "web"})
    assert router["subnets"] == network["subnets"]
    refused = problem(api.delete(path), 409, "resource-in-use")
    (user,) = refused["in_use_by"]
    assert (user["kind"], user["name"]) == ("subnet", "web")
    assert f"{path}/actions/detach-subnet" in refused["detail"]
    router = acted(api, path, "detach-subnet", {"subnet": user["id"]})
    assert router["subnets"] == []
    router = acted(api, path, "set-gateway", {"network": None})
    assert (router["external_network"], router["external_ip"]) == (None, None)
    tag = f'"{router["version"]}"'
    assert api.patch(path, {"name": "rim"}, If_Match=tag).json()["name"] == "rim"
    problem(api.delete(path, If_Match=tag), 412, "precondition-failed")
    assert api.delete(path).status_code == 202
    drain()
    problem(api.get(path), 404, "not-found")
    assert api.get("/routers").json()["count"] == 0
    assert api.names("/routers?include_deleted=true") == ["rim"]


def test_an_action_that_is_sent_again_is_done_once(
    api: Api, router: dict[str, Any], drain: Drain
) -> None:
    path = f"/routers/{router['id']}/actions/attach-subnet"
    body = {"subnet": "web"}
    first = api.post(path, body, Idempotency_Key="k")
    again = api.post(path, body, Idempotency_Key="k")
    assert again.headers["Idempotent-Replayed"] == "true"
    for header in ("Operation-Location", "Retry-After"):
        assert again.headers[header] == first.headers[header]
    problem(api.post(path, body), 409, "operation-in-progress")
    drain()
    done = api.post(path, body, Idempotency_Key="k")
    assert (done.status_code, len(done.json()["subnets"])) == (200, 1)
    other = api.post(path, {"subnet": "x"}, Idempotency_Key="k")
    problem(other, 422, "idempotency-key-reused")


def test_a_subnet_has_one_router(api: Api, router: dict[str, Any]) -> None:
    acted(api, f"/routers/{router['id']}", "attach-subnet", {"subnet": "web"})
    other = made(api, "/routers", {"name": "other", "external_network": "public"})
    path = f"/routers/{other['id']}/actions"
    attach = api.post(f"{path}/attach-subnet", {"subnet": "web"})
    refused = problem(attach, 409, "resource-in-use")
    assert refused["in_use_by"] == [
        {"kind": "router", "id": router["id"], "name": "edge"}
    ]
    detach = api.post(f"{path}/detach-subnet", {"subnet": "web"})
    assert errors(detach) == [("#/subnet", "not_attached")]


def test_a_gateway_that_a_floating_ip_needs_stays(api: Api) -> None:
    made(api, "/networks", {**NETWORK, "internet": True})
    vm = made(api, "/vms", {**VM, "networks": ["web"]})
    floating_ip = made(api, "/floating-ips", {"vm": vm["id"]})
    (router,) = api.get("/routers").json()["results"]
    path = f"/routers/{router['id']}/actions"
    for verb, body in (
        ("set-gateway", {"network": None}),
        ("detach-subnet", {"subnet": "web"}),
    ):
        refused = problem(api.post(f"{path}/{verb}", body), 409, "resource-in-use")
        (user,) = refused["in_use_by"]
        assert (user["kind"], user["id"]) == ("floating-ip", floating_ip["id"])
        assert "POST /floating-ips/{id}/actions/detach" in refused["detail"]


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("attach-subnet", {}, ("#/subnet", "required")),
        ("attach-subnet", {"subnet": "x"}, ("#/subnet", "does_not_exist")),
        ("attach-subnet", {"subnet": None}, ("#/subnet", "null")),
        ("attach-subnet", {"subnet": ["web"]}, ("#/subnet", "invalid")),
        ("attach-subnet", {"subnet": "web", "ip": "1"}, ("#/ip", "unknown")),
        ("set-gateway", {"network": "private"}, ("#/network", "does_not_exist")),
        ("set-gateway", {"network": "web"}, ("#/network", "does_not_exist")),
        ("set-gateway", {}, ("#/network", "required")),
        ("set-gateway", {"network": "public", "x": 1}, ("#/x", "unknown")),
    ],
)
def test_an_action_that_is_none(
    api: Api,
    router: dict[str, Any],
    verb: str,
    body: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    answer = api.post(f"/routers/{router['id']}/actions/{verb}", body)
    assert errors(answer) == [expected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("#/name", "required")),
        ({"name": "x", "subnets": ["web"]}, ("#/subnets", "unknown")),
        (
            {"name": "x", "external_network": "private"},
            ("#/external_network", "does_not_exist"),
        ),
    ],
)
def test_a_router_that_is_none(
    api: Api, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert errors(api.post("/routers", body)) == [expected]


def test_a_subnet_without_a_gateway_takes_no_router(
    api: Api, network: dict[str, Any], router: dict[str, Any]
) -> None:
    body = {"name": "bare", "network": "web", "cidr": "10.2.0.0/24", "gateway_ip": None}
    made(api, "/subnets", body)
    path = f"/routers/{router['id']}/actions/attach-subnet"
    answer = api.post(path, {"subnet": "bare"})
    assert errors(answer) == [("#/subnet", "no_gateway")]
    assert shown(api, f"/routers/{router['id']}")["status"] == "ACTIVE"


def test_lists_are_filtered(api: Api, router: dict[str, Any]) -> None:
    assert api.names(f"/routers?project={router['project']}") == ["edge"]
    assert api.names("/routers?name__contains=ED&status=ACTIVE") == ["edge"]
    assert api.names("/routers?label_selector=a=b") == []
    assert errors(api.get("/routers?network=x")) == [("network", "unknown")]
