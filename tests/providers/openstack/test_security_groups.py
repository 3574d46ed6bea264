"""The security groups of OpenStack against a stage."""

from typing import Any

import pytest

from providers.contract.security_groups import RuleSpec, SecurityGroupRule
from providers.openstack import OpenStackCloud
from tests.support.fake_openstack import NEUTRON, REQUEST_ID, Line, Stage

GROUP = f"{NEUTRON}/security-groups/one"
RULES = f"{NEUTRON}/security-group-rules"


def test_a_rule_is_sent_whole(stage: Stage, cloud: OpenStackCloud) -> None:
    stage.speak("POST", RULES, Line(201, {"security_group_rule": {"id": "new"}}))
    rule = RuleSpec(
        group_id="g",
        marker="vmmanager:1",
        direction="ingress",
        ip_version=6,
        protocol="tcp",
        port_min=0,
        port_max=443,
        cidr="fd00::/8",
    )
    receipt = cloud.security_groups.create_rule(rule, request_id=REQUEST_ID)
    assert receipt.created_id == "new"
    (sent,) = stage.sent("POST", RULES)
    assert sent.body["security_group_rule"] == {
        "security_group_id": "g",
        "description": "vmmanager:1",
        "direction": "ingress",
        "ethertype": "IPv6",
        "protocol": "tcp",
        "port_range_min": 0,
        "port_range_max": 443,
        "remote_ip_prefix": "fd00::/8",
        "remote_group_id": None,
    }
    assert sent.headers["X-Openstack-Request-Id"] == REQUEST_ID


@pytest.mark.parametrize(
    ("told", "stateful"),
    [({}, True), ({"stateful": True}, True), ({"stateful": False}, False)],
)
def test_a_group_comes_with_its_rules(
    stage: Stage, cloud: OpenStackCloud, told: dict[str, bool], stateful: bool
) -> None:
    rule: dict[str, Any] = {
        "id": "r",
        "description": "vmmanager:2",
        "direction": "egress",
        "ethertype": "IPv4",
        "protocol": "icmp",
        "port_range_min": 8,
        "port_range_max": 0,
        "remote_ip_prefix": None,
        "remote_group_id": "g",
    }
    group = {
        "id": "one",
        "name": "default",
        "description": "Default security group",
        "security_group_rules": [rule],
        **told,
    }
    stage.speak("GET", GROUP, Line(body={"security_group": group}))
    found = cloud.security_groups.get("one")
    assert (found.marker, found.is_default, found.stateful) == ("", True, stateful)
    assert found.rules == (
        SecurityGroupRule("r", "vmmanager:2", "egress", 4, "icmp", 8, 0, None, "g"),
    )
