"""The routers of OpenStack against a stage."""

from typing import Any

import pytest

from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import NEUTRON, REQUEST_ID, Line, Stage

ROUTERS = f"{NEUTRON}/routers"
ROUTER = f"{ROUTERS}/one"


@pytest.mark.parametrize(
    ("external_network_id", "gateway"), [("e", {"network_id": "e"}), (None, None)]
)
def test_a_gateway_is_sent_or_none(
    stage: Stage,
    cloud: OpenStackCloud,
    external_network_id: str | None,
    gateway: dict[str, str] | None,
) -> None:
    stage.speak("POST", ROUTERS, Line(201, {"router": {"id": "one"}}))
    stage.speak("PUT", ROUTER, Line(body={"router": {"id": "one"}}))
    cloud.routers.create(
        "web",
        marker="vmmanager:1",
        external_network_id=external_network_id,
        request_id=REQUEST_ID,
    )
    cloud.routers.set_gateway("one", external_network_id, request_id=REQUEST_ID)
    (created,) = stage.sent("POST", ROUTERS)
    assert created.body["router"] == {
        "name": "web",
        "description": "vmmanager:1",
        "external_gateway_info": gateway,
    }
    (changed,) = stage.sent("PUT", ROUTER)
    assert changed.body == {"router": {"external_gateway_info": gateway}}
    assert changed.headers["X-Openstack-Request-Id"] == REQUEST_ID


def test_subnets_are_connected_by_their_id(stage: Stage, cloud: OpenStackCloud) -> None:
    for change, word in (
        (cloud.routers.attach_subnet, "add_router_interface"),
        (cloud.routers.detach_subnet, "remove_router_interface"),
    ):
        stage.speak("PUT", f"{ROUTER}/{word}", Line(body={"port_id": "p"}))
        change("one", "s", request_id=REQUEST_ID)
        (sent,) = stage.sent("PUT", f"{ROUTER}/{word}")
        assert sent.body == {"subnet_id": "s"}
        assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


@pytest.mark.parametrize(
    ("gateway", "network_id", "address"),
    [
        (None, None, None),
        ({}, None, None),
        ({"network_id": "e"}, "e", None),
        ({"network_id": "e", "external_fixed_ips": []}, "e", None),
        ({"network_id": "e", "external_fixed_ips": ["fd00::7"]}, "e", "fd00::7"),
        (
            {
                "network_id": "e",
                "external_fixed_ips": ["fd00::7", "9.9.9.9", "8.8.8.8"],
            },
            "e",
            "9.9.9.9",
        ),
    ],
)
def test_the_address_of_a_router_is_its_first_ipv4(
    stage: Stage,
    cloud: OpenStackCloud,
    gateway: dict[str, Any] | None,
    network_id: str | None,
    address: str | None,
) -> None:
    if gateway and "external_fixed_ips" in gateway:
        ips = [
            {"ip_address": ip, "subnet_id": "s"} for ip in gateway["external_fixed_ips"]
        ]
        gateway = {**gateway, "external_fixed_ips": ips}
    router = {"id": "one", "name": "web", "description": ""}
    router_with_gateway = {**router, "external_gateway_info": gateway}
    stage.speak("GET", ROUTER, Line(body={"router": router_with_gateway}))
    found = cloud.routers.get("one")
    assert (found.external_network_id, found.external_ip) == (network_id, address)
