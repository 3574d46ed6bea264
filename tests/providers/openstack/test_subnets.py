"""The subnets of OpenStack against a stage."""

from typing import Any

import pytest

from providers.contract.subnets import DEFAULT_GATEWAY, SubnetSpec
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import NEUTRON, REQUEST_ID, Line, Stage

SUBNETS = f"{NEUTRON}/subnets"


def create(stage: Stage, cloud: OpenStackCloud, **values: Any) -> dict[str, Any]:
    """Return what is sent for a subnet with these values."""
    stage.speak("POST", SUBNETS, Line(201, {"subnet": {"id": "new"}}))
    spec = SubnetSpec(network_id="n", name="web", marker="vmmanager:1", **values)
    assert cloud.subnets.create(spec, request_id=REQUEST_ID).created_id == "new"
    (sent,) = stage.sent("POST", SUBNETS)
    return dict(sent.body["subnet"])


def test_a_subnet_is_sent_whole(stage: Stage, cloud: OpenStackCloud) -> None:
    assert create(
        stage,
        cloud,
        cidr="10.1.0.0/24",
        gateway_ip="10.1.0.254",
        dns_nameservers=("1.1.1.1",),
        dhcp=False,
        allocation_pools=(("10.1.0.10", "10.1.0.20"), ("10.1.0.30", "10.1.0.40")),
    ) == {
        "network_id": "n",
        "name": "web",
        "description": "vmmanager:1",
        "cidr": "10.1.0.0/24",
        "ip_version": 4,
        "gateway_ip": "10.1.0.254",
        "dns_nameservers": ["1.1.1.1"],
        "enable_dhcp": False,
        "allocation_pools": [
            {"start": "10.1.0.10", "end": "10.1.0.20"},
            {"start": "10.1.0.30", "end": "10.1.0.40"},
        ],
    }


@pytest.mark.parametrize(
    ("gateway_ip", "sent"),
    [(DEFAULT_GATEWAY, {}), (None, {"gateway_ip": None})],
)
def test_no_gateway_and_the_usual_one_are_told_apart(
    stage: Stage, cloud: OpenStackCloud, gateway_ip: str | None, sent: dict[str, None]
) -> None:
    subnet = create(stage, cloud, cidr="10.1.0.0/24", gateway_ip=gateway_ip)
    assert {k: v for k, v in subnet.items() if k == "gateway_ip"} == sent
    assert "allocation_pools" not in subnet  # [] would leave no address


@pytest.mark.parametrize(
    ("cidr", "dhcp", "mode"),
    [
        ("10.1.0.0/24", True, None),
        ("fd00:1::/64", True, "slaac"),
        ("fd00:1::/64", False, None),
        ("fd00:1::/80", True, "dhcpv6-stateful"),
        ("fd00:1::/48", True, "dhcpv6-stateful"),
    ],
)
def test_an_ipv6_subnet_says_how_servers_learn_their_address(
    stage: Stage, cloud: OpenStackCloud, cidr: str, dhcp: bool, mode: str | None
) -> None:
    subnet = create(stage, cloud, cidr=cidr, gateway_ip=DEFAULT_GATEWAY, dhcp=dhcp)
    assert subnet.get("ipv6_ra_mode") == subnet.get("ipv6_address_mode") == mode
    assert subnet["ip_version"] == (6 if ":" in cidr else 4)


def test_an_update_sends_both_values(stage: Stage, cloud: OpenStackCloud) -> None:
    stage.speak("PUT", f"{SUBNETS}/one", Line(body={"subnet": {"id": "one"}}))
    cloud.subnets.update(
        "one", gateway_ip=None, dns_nameservers=("1.1.1.1",), request_id=REQUEST_ID
    )
    (sent,) = stage.sent("PUT", f"{SUBNETS}/one")
    values = {"gateway_ip": None, "dns_nameservers": ["1.1.1.1"]}
    assert sent.body == {"subnet": values}
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID
