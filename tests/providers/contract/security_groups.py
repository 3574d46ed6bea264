"""What every driver owes of security groups and their rules."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from providers.contract.cloud import Cloud
from providers.contract.security_groups import RuleSpec, SecurityGroup
from providers.errors import Conflict, InvalidRequest, NotFound
from tests.support.contract_cloud import new_request_id
from tests.support.contract_networks import Networking, new_marker, new_name, refused

TCP_22 = {"protocol": "tcp", "port_min": 22, "port_max": 22}
#: Rules that go together in one group; what is not named is anything.
ACCEPTED: list[dict[str, Any]] = [
    TCP_22,
    {"protocol": "udp", "port_min": 1, "port_max": 65534},
    {"protocol": "tcp", "port_min": 22, "port_max": 22, "ip_version": 6},
    {"protocol": "tcp", "port_min": 22, "port_max": 22, "direction": "egress"},
    {"protocol": "tcp", "port_min": 22, "port_max": 22, "cidr": "10.0.0.0/24"},
    {"protocol": "tcp"},
    {"protocol": "icmp"},
    {"protocol": "icmp", "port_min": 8},
    {"protocol": "icmp", "port_min": 3, "port_max": 4},
    {"protocol": "gre"},
    {"protocol": "112"},
    {"cidr": "fd00::/8", "ip_version": 6},
    {},
]
REFUSED: list[tuple[str, dict[str, Any]]] = [
    ("SecurityGroupInvalidPortRange", TCP_22 | {"port_min": 23}),
    ("SecurityGroupInvalidPortRange", TCP_22 | {"port_min": None}),
    ("SecurityGroupInvalidPortRange", TCP_22 | {"port_max": None}),
    ("SecurityGroupInvalidPortValue", TCP_22 | {"port_min": 0}),
    ("SecurityGroupInvalidPortValue", TCP_22 | {"port_max": 65536}),
    ("SecurityGroupProtocolRequiredWithPorts", TCP_22 | {"protocol": None}),
    ("SecurityGroupInvalidProtocolForPort", TCP_22 | {"protocol": "gre"}),
    ("SecurityGroupRuleInvalidProtocol", {"protocol": "bogus"}),
    ("SecurityGroupRuleInvalidProtocol", {"protocol": "256"}),
    ("SecurityGroupMissingIcmpType", {"protocol": "icmp", "port_max": 0}),
    ("SecurityGroupInvalidIcmpValue", {"protocol": "icmp", "port_min": 256}),
    ("SecurityGroupRuleParameterConflict", {"cidr": "fd00::/8"}),
]
#: Another way to write a rule -> the rule.
EQUAL: list[tuple[dict[str, Any], dict[str, Any]]] = [
    (TCP_22, TCP_22),
    (TCP_22 | {"protocol": "6"}, TCP_22),
    (TCP_22 | {"protocol": "TCP"}, TCP_22),
    (TCP_22 | {"cidr": "0.0.0.0/0"}, TCP_22),
    (TCP_22 | {"port_min": 1, "port_max": 65535}, {"protocol": "tcp"}),
    ({"protocol": "tcp"}, TCP_22 | {"port_min": 1, "port_max": 65535}),
    ({"protocol": "any"}, {}),
    (
        {"protocol": "ipv6-icmp", "ip_version": 6},
        {"protocol": "icmp", "ip_version": 6},
    ),
]


def rule_of(group: SecurityGroup, fields: dict[str, Any]) -> RuleSpec:
    """Return a rule for a group: inbound IPv4 unless ``fields`` say otherwise."""
    given = {"direction": "ingress", "ip_version": 4, **fields}
    return RuleSpec(group_id=group.id, marker=new_marker(), **given)


class SecurityGroupContract:
    def test_a_new_group_lets_all_out_and_nothing_in(self, net: Networking) -> None:
        name, marker = new_name(), new_marker()
        group = net.group(name, marker=marker)
        assert (group.name, group.marker) == (name, marker)
        assert group.stateful
        assert not group.is_default
        assert {
            (r.direction, r.ip_version, r.protocol, r.cidr, r.group_id)
            for r in group.rules
        } == {("egress", 4, None, None, None), ("egress", 6, None, None, None)}
        assert len({rule.id for rule in group.rules}) == 2
        listed = {g.id: g for g in net.cloud.security_groups.list_all()}
        assert set(listed[group.id].rules) == set(group.rules)
        assert [g.id for g in net.cloud.security_groups.find(marker=marker)] == [
            group.id
        ]
        assert net.cloud.security_groups.find(marker=marker.upper()) == []

    def test_groups_may_share_a_name(self, net: Networking) -> None:
        name = new_name()
        assert net.group(name).id != net.group(name).id

    def test_there_is_one_default_group_that_stays(self, net: Networking) -> None:
        groups = net.cloud.security_groups
        (default,) = [g for g in groups.list_all() if g.is_default]
        with pytest.raises(Conflict):
            groups.delete(default.id, request_id=new_request_id())
        net.port(net.usable_network().network_id)
        with refused(Conflict, "SecurityGroupInUse"):
            groups.delete(default.id, request_id=new_request_id())
        assert groups.get(default.id).is_default

    @pytest.mark.parametrize("name", ["default", "Default"])
    def test_no_other_group_is_called_default(self, net: Networking, name: str) -> None:
        marker = new_marker()
        with refused(Conflict, "SecurityGroupDefaultAlreadyExists"):
            net.group(name, marker=marker)
        assert net.cloud.security_groups.find(marker=marker) == []

    def test_rules_are_as_specified(self, net: Networking) -> None:
        group = net.group()
        for fields in ACCEPTED:
            spec = rule_of(group, fields)
            rule = net.rule(spec)
            assert replace(rule, id="") == replace(
                rule,
                id="",
                marker=spec.marker,
                direction=spec.direction,
                ip_version=spec.ip_version,
                protocol=spec.protocol,
                port_min=spec.port_min,
                port_max=spec.port_max,
                cidr=spec.cidr,
                group_id=None,
            )
        rules = net.cloud.security_groups.get(group.id).rules
        assert len(rules) == 2 + len(ACCEPTED)

    @pytest.mark.parametrize(("code", "fields"), REFUSED)
    def test_a_rule_that_makes_no_sense_is_invalid(
        self, net: Networking, code: str, fields: dict[str, Any]
    ) -> None:
        group = net.group()
        with refused(InvalidRequest, code):
            net.rule(rule_of(group, fields))
        assert set(net.cloud.security_groups.get(group.id).rules) == set(group.rules)

    @pytest.mark.parametrize(("again", "fields"), EQUAL)
    def test_an_equal_rule_is_told_with_its_id(
        self, net: Networking, again: dict[str, Any], fields: dict[str, Any]
    ) -> None:
        group = net.group()
        rule = net.rule(rule_of(group, fields))
        with pytest.raises(Conflict) as caught:
            net.rule(rule_of(group, again))
        assert (caught.value.code, caught.value.status) == (
            "SecurityGroupRuleExists",
            409,
        )
        assert rule.id in caught.value.message

    def test_a_rule_for_all_ports_names_none(self, net: Networking) -> None:
        rule = net.rule(
            rule_of(net.group(), TCP_22 | {"port_min": 1, "port_max": 65535})
        )
        assert (rule.protocol, rule.port_min, rule.port_max) == ("tcp", None, None)

    def test_host_bits_of_a_cidr_make_another_rule(self, net: Networking) -> None:
        group = net.group()
        net.rule(rule_of(group, {"cidr": "10.0.0.0/24"}))
        net.rule(rule_of(group, {"cidr": "10.0.0.5/24"}))

    def test_a_rule_names_a_group_and_goes_with_it(self, net: Networking) -> None:
        group, other = net.group(), net.group()
        rule = net.rule(rule_of(group, {"remote_group_id": other.id}))
        assert (rule.group_id, rule.cidr) == (other.id, None)
        itself = net.rule(rule_of(group, {"remote_group_id": group.id}))
        with refused(InvalidRequest, "SecurityGroupMultipleRemoteEntites"):
            net.rule(
                rule_of(group, {"remote_group_id": other.id, "cidr": "10.0.0.0/24"})
            )
        net.cloud.security_groups.delete(other.id, request_id=new_request_id())
        now = net.cloud.security_groups.get(group.id)
        assert set(now.rules) == {*group.rules, itself}

    def test_a_rule_takes_known_groups(self, net: Networking) -> None:
        group, nobody = net.group(), str(uuid4())
        with refused(NotFound, "SecurityGroupNotFound"):
            net.rule(rule_of(replace(group, id=nobody), TCP_22))
        with refused(NotFound, "SecurityGroupNotFound"):
            net.rule(rule_of(group, {"remote_group_id": nobody}))

    def test_a_deleted_rule_is_gone(self, net: Networking) -> None:
        group = net.group()
        rule = net.rule(rule_of(group, TCP_22))
        receipt = net.cloud.security_groups.delete_rule(
            rule.id, request_id=new_request_id()
        )
        assert receipt.request_id
        assert set(net.cloud.security_groups.get(group.id).rules) == set(group.rules)
        with refused(NotFound, "SecurityGroupRuleNotFound"):
            net.cloud.security_groups.delete_rule(rule.id, request_id=new_request_id())
        net.rule(rule_of(group, TCP_22))

    def test_a_group_that_a_port_has_is_not_deleted(self, net: Networking) -> None:
        group, network_id = net.group(), net.usable_network().network_id
        port = net.port(network_id, security_group_ids=[group.id])
        with refused(Conflict, "SecurityGroupInUse"):
            net.cloud.security_groups.delete(group.id, request_id=new_request_id())
        net.cloud.ports.set_security_groups(port.id, [], request_id=new_request_id())
        net.cloud.security_groups.delete(group.id, request_id=new_request_id())
        assert net.cloud.security_groups.find(marker=group.marker) == []

    def test_an_unknown_group_is_not_found(self, cloud: Cloud) -> None:
        nobody = str(uuid4())
        with refused(NotFound, "SecurityGroupNotFound"):
            cloud.security_groups.get(nobody)
        with refused(NotFound, "SecurityGroupNotFound"):
            cloud.security_groups.delete(nobody, request_id=new_request_id())
