"""The ports of OpenStack against a stage."""

from typing import Any

import pytest

from providers import errors
from providers.contract.ports import PortSpec
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import NEUTRON, REQUEST_ID, Line, Stage

PORTS = f"{NEUTRON}/ports"
PORT = f"{PORTS}/one"
REFUSAL = {"NeutronError": {"message": "delete_port is disallowed by policy"}}


def test_a_port_that_only_services_may_delete_is_released_first(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("DELETE", PORT, Line(403, REFUSAL), Line(204, ""))
    stage.speak("PUT", PORT, Line(body={"port": {"id": "one"}}))
    cloud.ports.delete("one", request_id=REQUEST_ID)
    sent = [r for r in stage.requests if r.path == PORT]
    assert [r.method for r in sent] == ["DELETE", "PUT", "DELETE"]
    assert sent[1].body == {"port": {"device_owner": ""}}
    assert {r.headers["X-Openstack-Request-Id"] for r in sent} == {REQUEST_ID}


def test_a_port_that_we_may_not_release_stays(
    stage: Stage, cloud: OpenStackCloud
) -> None:
    stage.speak("DELETE", PORT, Line(403, REFUSAL))
    stage.speak("PUT", PORT, Line(403, REFUSAL))
    with pytest.raises(errors.Forbidden):
        cloud.ports.delete("one", request_id=REQUEST_ID)
    assert len(stage.sent("DELETE", PORT)) == 1


@pytest.mark.parametrize(
    ("values", "sent"),
    [
        ({}, {}),
        ({"ip": "10.1.0.7"}, {"fixed_ips": [{"ip_address": "10.1.0.7"}]}),
        ({"security_group_ids": ("g", "h")}, {"security_groups": ["g", "h"]}),
        # None of them is not the default one.
        ({"security_group_ids": ()}, {"security_groups": []}),
    ],
)
def test_a_port_is_sent_without_what_is_not_chosen(
    stage: Stage, cloud: OpenStackCloud, values: dict[str, Any], sent: dict[str, Any]
) -> None:
    stage.speak("POST", PORTS, Line(201, {"port": {"id": "new"}}))
    spec = PortSpec(network_id="n", name="web", marker="vmmanager:1", **values)
    assert cloud.ports.create(spec, request_id=REQUEST_ID).created_id == "new"
    (request,) = stage.sent("POST", PORTS)
    always = {"network_id": "n", "name": "web", "description": "vmmanager:1"}
    assert request.body == {"port": {**always, **sent}}


@pytest.mark.parametrize("groups", [("g", "h"), ()])
def test_the_groups_of_a_port_are_set_all_at_once(
    stage: Stage, cloud: OpenStackCloud, groups: tuple[str, ...]
) -> None:
    stage.speak("PUT", PORT, Line(body={"port": {"id": "one"}}))
    cloud.ports.set_security_groups("one", groups, request_id=REQUEST_ID)
    (sent,) = stage.sent("PUT", PORT)
    assert sent.body == {"port": {"security_groups": list(groups)}}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


@pytest.mark.parametrize(
    ("owner", "server_id", "router_id"),
    [
        ("", "", ""),
        ("compute:nova", "d", ""),
        ("network:router_interface", "", "d"),
        ("network:router_interface_distributed", "", "d"),
        ("network:dhcp", "", ""),
    ],
)
def test_a_port_says_whose_it_is(
    stage: Stage, cloud: OpenStackCloud, owner: str, server_id: str, router_id: str
) -> None:
    port = {
        "id": "one",
        "network_id": "n",
        "description": "",
        "mac_address": "fa:16:3e:00:00:01",
        "fixed_ips": [{"subnet_id": "s", "ip_address": "10.1.0.7"}],
        "device_id": "d",
        "device_owner": owner,
    }
    stage.speak("GET", PORT, Line(body={"port": port}))
    found = cloud.ports.get("one")
    assert (found.server_id, found.router_id) == (server_id, router_id)
    assert [(ip.subnet_id, ip.ip) for ip in found.fixed_ips] == [("s", "10.1.0.7")]
    assert found.security_group_ids == ()  # a cloud without them says nothing
