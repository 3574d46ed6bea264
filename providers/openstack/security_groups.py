"""The security groups of Neutron, and their rules."""

from providers.contract.calls import Receipt
from providers.contract.security_groups import (
    RuleSpec,
    SecurityGroup,
    SecurityGroupRule,
    SecurityGroups,
)
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_IP_VERSIONS = {"IPv4": 4, "IPv6": 6}


class OpenStackSecurityGroups(SecurityGroups):
    def __init__(self, transport: Transport) -> None:
        self._groups = Collection(transport, "/security-groups", "security_group")
        self._rules = Collection(
            transport, "/security-group-rules", "security_group_rule"
        )

    def list_all(self) -> list[SecurityGroup]:
        with reading("neutron"):
            return [_to_group(body) for body in self._groups.list_all()]

    def get(self, group_id: str) -> SecurityGroup:
        with reading("neutron"):
            return _to_group(self._groups.get(group_id))

    def find(self, *, marker: str) -> list[SecurityGroup]:
        with reading("neutron"):
            return [_to_group(body) for body in self._groups.find(marker)]

    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        return self._groups.create({"name": name}, marker=marker, request_id=request_id)

    def delete(self, group_id: str, *, request_id: str) -> Receipt:
        return self._groups.delete(group_id, request_id=request_id)

    def create_rule(self, spec: RuleSpec, *, request_id: str) -> Receipt:
        rule = {
            "security_group_id": spec.group_id,
            "direction": spec.direction,
            "ethertype": f"IPv{spec.ip_version}",
            "protocol": spec.protocol,
            "port_range_min": spec.port_min,
            "port_range_max": spec.port_max,
            "remote_ip_prefix": spec.cidr,
            "remote_group_id": spec.remote_group_id,
        }
        return self._rules.create(rule, marker=spec.marker, request_id=request_id)

    def delete_rule(self, rule_id: str, *, request_id: str) -> Receipt:
        return self._rules.delete(rule_id, request_id=request_id)


def _to_group(body: Json) -> SecurityGroup:
    return SecurityGroup(
        id=body["id"],
        name=body["name"],
        marker=marker_of(body),
        # Neutron before Ussuri (2020) knows no others and does not say so.
        stateful=body.get("stateful", True),
        rules=tuple(_to_rule(rule) for rule in body["security_group_rules"]),
    )


def _to_rule(body: Json) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=body["id"],
        marker=marker_of(body),
        direction=body["direction"],
        ip_version=_IP_VERSIONS[body["ethertype"]],
        protocol=body["protocol"],
        port_min=body["port_range_min"],
        port_max=body["port_range_max"],
        cidr=body["remote_ip_prefix"],
        group_id=body["remote_group_id"],
    )
