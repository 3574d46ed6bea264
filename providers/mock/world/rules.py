"""Security groups and their rules as rows of the mock's file, and what Neutron refuses."""

import ipaddress
import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from providers.contract.security_groups import (
    RuleSpec,
    SecurityGroup,
    SecurityGroupRule,
)
from providers.mock.world import neutron
from providers.mock.world.neutron import conflict, invalid

#: Neutron's names of protocols, with their numbers.
PROTOCOLS = {
    "ah": 51,
    "dccp": 33,
    "egp": 8,
    "esp": 50,
    "gre": 47,
    "hopopt": 0,
    "icmp": 1,
    "icmpv6": 58,
    "igmp": 2,
    "ip": 4,
    "ipip": 94,
    "ipv6-encap": 41,
    "ipv6-frag": 44,
    "ipv6-icmp": 58,
    "ipv6-nonxt": 59,
    "ipv6-opts": 60,
    "ipv6-route": 43,
    "ospf": 89,
    "pgm": 113,
    "rsvp": 46,
    "sctp": 132,
    "tcp": 6,
    "udp": 17,
    "udplite": 136,
    "vrrp": 112,
}
_WITH_PORTS = {PROTOCOLS[name] for name in ("tcp", "udp", "udplite", "sctp", "dccp")}
_ALL_PORTS = (1, 65535)
_ICMP, _ICMP_V6 = 1, 58
_ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def checked(spec: RuleSpec) -> dict[str, Any]:
    """Return the columns of a new rule; `InvalidRequest` for one that makes no sense."""
    if spec.direction not in ("ingress", "egress"):
        raise invalid(
            "HTTPBadRequest",
            f"Invalid input for direction. Reason: '{spec.direction}' is not in"
            " ['ingress', 'egress'].",
        )
    if spec.ip_version not in (4, 6):
        raise invalid("HTTPBadRequest", "Invalid input for ethertype.")
    protocol = _protocol(spec)
    _check_ports(spec, protocol)
    if spec.cidr is not None and spec.remote_group_id is not None:
        raise invalid(
            "SecurityGroupMultipleRemoteEntites",
            "Only remote_ip_prefix or remote_group_id may be provided.",
        )
    ports: tuple[int | None, int | None] = (spec.port_min, spec.port_max)
    if ports == _ALL_PORTS:
        ports = (None, None)
    return {
        "marker": spec.marker,
        "group_id": spec.group_id,
        "direction": spec.direction,
        "ip_version": spec.ip_version,
        "protocol": protocol,
        "port_min": ports[0],
        "port_max": ports[1],
        "cidr": _cidr(spec),
        "remote_group_id": spec.remote_group_id,
    }


def _protocol(spec: RuleSpec) -> str | None:
    name = spec.protocol and spec.protocol.lower()
    if name is None or name == "any":
        return None
    number = _number(name)
    if not 0 <= number <= 255:
        names = ", ".join(PROTOCOLS)
        raise invalid(
            "SecurityGroupRuleInvalidProtocol",
            f"Security group rule protocol {name} not supported. Only protocol values"
            f" [{names}] and integer representations [0 to 255] are supported.",
        )
    if number == _ICMP_V6 and spec.ip_version == 4:
        raise invalid(
            "SecurityGroupEthertypeConflictWithProtocol",
            f"Invalid ethertype IPv4 for protocol {name}.",
        )
    return "ipv6-icmp" if name in ("icmp", "icmpv6") and spec.ip_version == 6 else name


def _number(protocol: str) -> int:
    if protocol in PROTOCOLS:
        return PROTOCOLS[protocol]
    return int(protocol) if protocol.isdecimal() else -1


def _check_ports(spec: RuleSpec, protocol: str | None) -> None:
    least, most = spec.port_min, spec.port_max
    number = None if protocol is None else _number(protocol)
    if number in (_ICMP, _ICMP_V6):
        _check_icmp(least, most)
    elif least is None and most is None:
        return
    elif number is None:
        raise invalid(
            "SecurityGroupProtocolRequiredWithPorts",
            "Must also specify protocol if port range is given.",
        )
    elif number not in _WITH_PORTS:
        raise invalid(
            "SecurityGroupInvalidProtocolForPort",
            f"Invalid protocol {protocol} for port range, only supported for TCP, UDP,"
            " UDPLITE, SCTP and DCCP.",
        )
    else:
        for port in (least, most):
            if port is not None and not 1 <= port <= 65535:
                raise invalid(
                    "SecurityGroupInvalidPortValue", f"Invalid value for port {port}"
                )
        if least is None or most is None or least > most:
            raise invalid(
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            )


def _check_icmp(type: int | None, code: int | None) -> None:
    for field, value in (
        ("type (port-range-min)", type),
        ("code (port-range-max)", code),
    ):
        if value is not None and not 0 <= value <= 255:
            raise invalid(
                "SecurityGroupInvalidIcmpValue",
                f"Invalid value for ICMP {field} {value}. It must be 0 to 255.",
            )
    if type is None and code is not None:
        raise invalid(
            "SecurityGroupMissingIcmpType",
            f"ICMP code (port-range-max) {code} is provided but ICMP type"
            " (port-range-min) is missing.",
        )


def _cidr(spec: RuleSpec) -> str | None:
    if spec.cidr is None:
        return None
    try:
        # With its host bits: Neutron keeps them.
        interface = ipaddress.ip_interface(spec.cidr)
    except ValueError:
        raise invalid(
            "HTTPBadRequest",
            f"Invalid input for remote_ip_prefix. Reason: '{spec.cidr}' is not a valid"
            " IP subnet.",
        ) from None
    if interface.version != spec.ip_version:
        raise invalid(
            "SecurityGroupRuleParameterConflict",
            f"Conflicting value ethertype IPv{spec.ip_version} for CIDR {spec.cidr}",
        )
    return spec.cidr if "/" in spec.cidr else str(interface)


def check_new(db: sqlite3.Connection, columns: dict[str, Any]) -> None:
    """Raise `Conflict` where the group has an equal rule, whatever its marker."""
    equal = _essence(columns)
    for row in db.execute(
        "SELECT * FROM security_group_rules WHERE group_id = ? ORDER BY number",
        (columns["group_id"],),
    ):
        if _essence(row) == equal:
            raise conflict(
                "SecurityGroupRuleExists",
                f"Security group rule already exists. Rule id is {row['id']}.",
            )


def _essence(rule: sqlite3.Row | dict[str, Any]) -> tuple[object, ...]:
    anywhere = _ANYWHERE[rule["ip_version"]]
    cidr = rule["cidr"]
    if cidr is None and rule["remote_group_id"] is None:
        cidr = anywhere
    protocol = rule["protocol"]
    return (
        rule["direction"],
        rule["ip_version"],
        None if protocol is None else _number(protocol),
        rule["port_min"],
        rule["port_max"],
        cidr,
        rule["remote_group_id"],
    )


def ports_with(db: sqlite3.Connection, group_id: str) -> bool:
    """Tell whether a port has a group."""
    return (
        db.execute(
            "SELECT 1 FROM ports, json_each(security_group_ids) WHERE value = ?",
            (group_id,),
        ).fetchone()
        is not None
    )


def remove_group(db: sqlite3.Connection, group_id: str) -> None:
    """Delete a group, its rules, and those of others that name it."""
    db.execute(
        "DELETE FROM security_group_rules WHERE ?1 IN (group_id, remote_group_id)",
        (group_id,),
    )
    neutron.delete(db, "security_groups", group_id)


def to_groups(
    db: sqlite3.Connection, rows: Sequence[sqlite3.Row], now: int
) -> list[SecurityGroup]:
    """Return the groups in rows of ``security_groups``, with their rules."""
    rules: dict[str, list[SecurityGroupRule]] = {row["id"]: [] for row in rows}
    for row in neutron.rows(
        db,
        "security_group_rules",
        now,
        "group_id IN (SELECT value FROM json_each(?))",
        json.dumps(list(rules)),
    ):
        rules[row["group_id"]].append(_to_rule(row))
    return [
        SecurityGroup(
            id=row["id"],
            name=row["name"],
            marker=row["marker"],
            stateful=bool(row["stateful"]),
            rules=tuple(rules[row["id"]]),
        )
        for row in rows
    ]


def _to_rule(row: sqlite3.Row) -> SecurityGroupRule:
    return SecurityGroupRule(
        id=row["id"],
        marker=row["marker"],
        direction=row["direction"],
        ip_version=row["ip_version"],
        protocol=row["protocol"],
        port_min=row["port_min"],
        port_max=row["port_max"],
        cidr=row["cidr"],
        group_id=row["remote_group_id"],
    )
