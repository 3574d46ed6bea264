"""Rules of security groups: what one may say, and when two say the same."""

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from compute import events
from compute.events import Actor
from compute.models import SecurityGroup, SecurityGroupRule
from compute.models.security_group import Direction
from compute.services import cidrs
from compute.services.resources import requests
from compute.services.resources.requests import invalid
from providers.contract.security_groups import RuleSpec
from providers.contract.security_groups import SecurityGroupRule as CloudRule

#: Of one group, in one request.
MAX_RULES = 500
#: Neutron's names of protocols, by IANA's number.
_NAMES = {
    1: "icmp",
    2: "igmp",
    4: "ipip",
    6: "tcp",
    8: "egp",
    17: "udp",
    33: "dccp",
    41: "ipv6-encap",
    43: "ipv6-route",
    44: "ipv6-frag",
    46: "rsvp",
    47: "gre",
    50: "esp",
    51: "ah",
    58: "ipv6-icmp",
    59: "ipv6-nonxt",
    60: "ipv6-opts",
    89: "ospf",
    112: "vrrp",
    113: "pgm",
    132: "sctp",
    136: "udplite",
}
_NUMBERS = {name: number for number, name in _NAMES.items()} | {"icmpv6": 58}
_WITH_PORTS = frozenset({"tcp", "udp", "sctp", "dccp", "udplite"})
_ICMP = frozenset({"icmp", "ipv6-icmp"})
#: To Neutron as if none were given.
ALL_PORTS = (1, 65535)
#: What says the same as nothing.
_ANYWHERE = frozenset({"0.0.0.0/0", "::/0"})


def build_all(
    group: SecurityGroup, given: Sequence[Mapping[str, Any]]
) -> list[SecurityGroupRule]:
    """Return new rules, not yet written; ValidationError for one that is there twice."""
    if len(given) > MAX_RULES:
        raise invalid("#/rules", "max_length", f"At most {MAX_RULES} rules.")
    made: dict[str, SecurityGroupRule] = {}
    for index, rule in enumerate(given):
        pointer = f"#/rules/{index}"
        built = build(group, rule, pointer=pointer)
        if built.key in made:
            raise invalid(pointer, "repeated", "An equal rule is before it.")
        made[built.key] = built
    return list(made.values())


def build(
    group: SecurityGroup, given: Mapping[str, Any], *, pointer: str
) -> SecurityGroupRule:
    """Return a new rule, not yet written, or raise ValidationError with its field."""
    version = given.get("ip_version", 4)
    if version not in (4, 6):
        raise invalid(f"{pointer}/ip_version", "invalid", "Must be 4 or 6.")
    protocol = _protocol(given.get("protocol"), version, pointer=f"{pointer}/protocol")
    rule = SecurityGroupRule(
        project_id=group.project_id,
        cloud=group.cloud,
        group=group,
        direction=given["direction"],
        ip_version=version,
        protocol=protocol,
        port_min=given.get("port_min"),
        port_max=given.get("port_max"),
        icmp_type=given.get("icmp_type"),
        icmp_code=given.get("icmp_code"),
        description=given.get("description", ""),
    )
    _check_ports(rule, pointer)
    _check_icmp(rule, pointer)
    cidr, other = given.get("cidr"), given.get("group")
    if cidr is not None and other is not None:
        raise invalid(
            f"{pointer}/group", "conflict", "Give a cidr or a group, not both."
        )
    if cidr is not None:
        range = cidrs.any_cidr(cidr, pointer=f"{pointer}/cidr")
        if range.version != version:
            detail = f"Is no range of IPv{version}."
            raise invalid(f"{pointer}/cidr", "ip_version", detail)
        rule.cidr = str(range)
    if other is not None:
        rule.remote_group = _remote(group, other, pointer=f"{pointer}/group")
    rule.key = _key(
        rule.direction,
        version,
        protocol,
        (rule.port_min, rule.port_max),
        (rule.icmp_type, rule.icmp_code),
        f"group {rule.remote_group_id}" if other is not None else rule.cidr,
    )
    return rule


def _remote(group: SecurityGroup, reference: str, *, pointer: str) -> SecurityGroup:
    if reference in (str(group.pk), group.name):
        return group
    found = requests.find(
        SecurityGroup.objects.all(),
        reference,
        project=group.project,
        cloud=group.cloud,
        pointer=pointer,
    )
    requests.require_active(found, pointer=pointer)
    return found


def _protocol(text: str | None, version: int, *, pointer: str) -> str | None:
    """Return Neutron's name of a protocol; ``None``: any."""
    if text is None or text.lower() == "any":
        return None
    number = int(text) if text.isascii() and text.isdigit() else None
    if number is None:
        number = _NUMBERS.get(text.lower())
    if number is None or number > 255:
        known = ", ".join(sorted(_NUMBERS))
        raise invalid(pointer, "invalid", f"Must be 0 to 255, any, or one of {known}.")
    if number == 1 and version == 6:
        number = 58
    if number == 58 and version == 4:
        raise invalid(pointer, "ip_version", "ICMPv6 takes ip_version 6.")
    return _NAMES.get(number, str(number))


def _check_ports(rule: SecurityGroupRule, pointer: str) -> None:
    low, high = rule.port_min, rule.port_max
    if low is None and high is None:
        return
    if rule.protocol not in _WITH_PORTS:
        name = "port_min" if low is not None else "port_max"
        detail = f"Only these protocols have ports: {', '.join(sorted(_WITH_PORTS))}."
        raise invalid(f"{pointer}/{name}", "no_ports", detail)
    if low is None or high is None:
        name = "port_min" if low is None else "port_max"
        raise invalid(f"{pointer}/{name}", "required", "Give both ends.")
    for name, port in (("port_min", low), ("port_max", high)):
        if not 1 <= port <= 65535:
            raise invalid(f"{pointer}/{name}", "invalid", "Must be 1 to 65535.")
    if low > high:
        raise invalid(f"{pointer}/port_max", "invalid", "Must not be below port_min.")


def _check_icmp(rule: SecurityGroupRule, pointer: str) -> None:
    given = {"icmp_type": rule.icmp_type, "icmp_code": rule.icmp_code}
    for name, value in given.items():
        if value is None:
            continue
        if rule.protocol not in _ICMP:
            raise invalid(f"{pointer}/{name}", "no_icmp", "Only ICMP has it.")
        if not 0 <= value <= 255:
            raise invalid(f"{pointer}/{name}", "invalid", "Must be 0 to 255.")
    if rule.icmp_code is not None and rule.icmp_type is None:
        raise invalid(f"{pointer}/icmp_type", "required", "A code needs its type.")


def _key(
    direction: str,
    version: int,
    protocol: str | None,
    ports: tuple[int | None, int | None],
    icmp: tuple[int | None, int | None],
    remote: str | None,
) -> str:
    given = (pair for pair in (ports, icmp) if pair not in ((None, None), ALL_PORTS))
    numbers = next(given, None)
    there = None if remote in _ANYWHERE else remote
    words = [direction, f"IPv{version}", protocol or "any"]
    if numbers is not None:
        low, high = numbers
        words.append(
            str(low) if high in (low, None) and numbers is not icmp else f"{low}:{high}"
        )
    return " ".join([*words, there or "anywhere"])


def key_of(seen: CloudRule, group_id: UUID | None) -> str:
    """Return the key of a rule as a cloud shows it; ``group_id``: ours, if it names one."""
    remote = seen.cidr
    if seen.group_id is not None:
        remote = f"group {group_id or seen.group_id}"
    elif remote is not None:
        # Neutron keeps host bits.
        remote = str(ipaddress.ip_network(remote, strict=False))
    protocol = _known(seen.protocol)
    numbers = seen.port_min, seen.port_max
    nothing = (None, None)
    is_icmp = protocol in _ICMP
    return _key(
        seen.direction,
        seen.ip_version,
        protocol,
        nothing if is_icmp else numbers,
        numbers if is_icmp else nothing,
        remote,
    )


def _known(protocol: str | None) -> str | None:
    if protocol is None or protocol == "any":
        return None
    number = int(protocol) if protocol.isdigit() else _NUMBERS.get(protocol)
    return protocol if number is None else _NAMES.get(number, str(number))


def spec(rule: SecurityGroupRule, group: SecurityGroup, *, marker: str) -> RuleSpec:
    """Return what the cloud shall make of a rule."""
    is_icmp = rule.protocol in _ICMP
    return RuleSpec(
        group_id=group.provider_id,
        marker=marker,
        direction=rule.direction,
        ip_version=rule.ip_version,
        protocol=rule.protocol,
        port_min=rule.icmp_type if is_icmp else rule.port_min,
        port_max=rule.icmp_code if is_icmp else rule.port_max,
        cidr=rule.cidr,
        remote_group_id=_provider_id(rule, group),
    )


def _provider_id(rule: SecurityGroupRule, group: SecurityGroup) -> str | None:
    if rule.remote_group_id is None:
        return None
    # Its own id may have come a moment ago.
    other = group if rule.remote_group_id == group.pk else rule.remote_group
    return other.provider_id if other else None


def note(
    rule: SecurityGroupRule, seen: CloudRule, remote: SecurityGroup | None
) -> None:
    """Take over what the cloud says of a rule that was made outside."""
    is_icmp = _known(seen.protocol) in _ICMP
    rule.provider_id, rule.direction = seen.id, Direction(seen.direction)
    rule.ip_version, rule.protocol = seen.ip_version, _known(seen.protocol)
    rule.cidr, rule.remote_group = seen.cidr, remote
    if is_icmp:
        rule.icmp_type, rule.icmp_code = seen.port_min, seen.port_max
    else:
        rule.port_min, rule.port_max = seen.port_min, seen.port_max
    rule.key = key_of(seen, remote.pk if remote else None)


def list_on(group: SecurityGroup, *changed: SecurityGroupRule) -> None:
    """Show on a group the rules it has, ``changed`` as they are about to be."""
    known = {rule.pk: rule for rule in group.rule_rows.all()}
    known |= {rule.pk: rule for rule in changed}
    group.rules = [
        shown(rule)
        for rule in sorted(known.values(), key=lambda row: (row.created_at, row.pk))
        if rule.deleted_at is None and rule.provider_id
    ]


def shown(rule: SecurityGroupRule) -> dict[str, Any]:
    """Return a rule as its group's body shows it."""
    return {
        "id": str(rule.pk),
        "direction": rule.direction,
        "ip_version": rule.ip_version,
        "protocol": rule.protocol,
        "port_min": rule.port_min,
        "port_max": rule.port_max,
        "icmp_type": rule.icmp_type,
        "icmp_code": rule.icmp_code,
        "cidr": rule.cidr,
        "group": str(rule.remote_group_id) if rule.remote_group_id else None,
        "description": rule.description,
    }


def drop(rule: SecurityGroupRule, group: SecurityGroup, *, actor: Actor) -> None:
    """Make room for a rule that is asked for again: this one was never made."""
    before = rule.status
    rule.remove()
    rule.mark_deleted()
    rule.save_changes()
    events.record(
        "security-group-rule.deleted",
        actor=actor,
        subject=rule,
        related=group,
        changes={"status": [before, rule.status]},
    )
