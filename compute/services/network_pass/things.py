"""Networks, subnets, routers and security groups, as a pass shows them."""

from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from compute import events
from compute.events import SYSTEM
from compute.models import (
    Network,
    ResourceStatus,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from compute.models.kinds import held_by
from compute.services import networks, quotas, routers, rules, subnets
from compute.services.network_pass.changes import Pass, correct, vanish
from compute.services.resources.calls import owner_of
from providers.contract.networks import Network as CloudNetwork
from providers.contract.ports import Port as CloudPort
from providers.contract.routers import Router as CloudRouter
from providers.contract.security_groups import SecurityGroup as CloudGroup
from providers.contract.security_groups import SecurityGroupRule as CloudRule
from providers.contract.subnets import Subnet as CloudSubnet

ACTIVE = ResourceStatus.ACTIVE


def known_rows(model: Any, here: Pass) -> dict[str, Any]:
    """Return the rows that have something in a cloud, by the cloud's id of it."""
    rows = model.objects.alive().filter(cloud=here.cloud).exclude(provider_id="")
    return {row.provider_id: row for row in rows.select_related("operation")}


def vanish_missing(here: Pass, known: Mapping[str, Any], listed: Iterable[str]) -> None:
    there = set(listed)
    for provider_id, row in known.items():
        if provider_id not in there and row.pk not in here.busy:
            vanish(here, row)


# Networks


def follow_networks(here: Pass, listed: Iterable[CloudNetwork]) -> None:
    """Follow our networks, and show those that the cloud offers to all."""
    known = known_rows(Network, here)
    seen = {network.id: network for network in listed}
    for network in seen.values():
        row = known.get(network.id)
        if row is None:
            if network.is_offered:
                _offer_network(here, network)
        elif row.pk not in here.busy and _differs(row, network):
            correct(here, row, partial(_note_network, seen=network))
    offered = {id for id, network in seen.items() if network.is_offered}
    ours = {id for id, row in known.items() if row.project_id is not None}
    vanish_missing(here, known, offered | (ours & seen.keys()))


def _differs(row: Network, seen: CloudNetwork) -> bool:
    shown = (row.shared, row.external, row.default, row.mtu)
    return shown != (seen.shared, seen.external, seen.default, seen.mtu) or (
        row.project_id is None and row.name != seen.name
    )


def _note_network(row: Network, seen: CloudNetwork) -> None:
    networks.note(row, seen)
    if row.project_id is None:
        row.name = seen.name


def _offer_network(here: Pass, seen: CloudNetwork) -> None:
    if owner_of(seen.marker) is not None:
        return  # of a create under way
    Network.objects.get_or_create(
        cloud=here.cloud,
        provider_id=seen.id,
        defaults={
            "project": None,
            "name": seen.name,
            "status": ACTIVE,
            "counted": False,
            "shared": seen.shared,
            "external": seen.external,
            "default": seen.default,
            "mtu": seen.mtu,
        },
    )


# Subnets


def follow_subnets(here: Pass, listed: Iterable[CloudSubnet]) -> None:
    """Follow the subnets of the networks that are here."""
    known = known_rows(Subnet, here)
    there = known_rows(Network, here)
    seen = {subnet.id: subnet for subnet in listed if subnet.network_id in there}
    touched: set[UUID] = set()
    for subnet in seen.values():
        row, network = known.get(subnet.id), there[subnet.network_id]
        if row is None:
            if owner_of(subnet.marker) is None and network.pk not in here.busy:
                _adopt_subnet(here, subnet, network)
                touched.add(network.pk)
        elif row.pk not in here.busy and not _shows(row, subnet):
            correct(here, row, partial(subnets.note, seen=subnet))
            touched.add(network.pk)
    missing = {id: row for id, row in known.items() if id not in seen}
    vanish_missing(here, missing, ())
    touched |= {row.network_id for row in missing.values()}
    for network in there.values():
        if network.pk in touched and network.pk not in here.busy:
            correct(here, network, subnets.list_on)


def _shows(row: Subnet, seen: CloudSubnet) -> bool:
    pools = [{"start": start, "end": end} for start, end in seen.allocation_pools]
    return (
        row.gateway_ip == seen.gateway_ip
        and row.dhcp == seen.dhcp
        and row.dns_nameservers == list(seen.dns_nameservers)
        and row.allocation_pools == pools
    )


def _adopt_subnet(here: Pass, seen: CloudSubnet, network: Network) -> None:
    """Enter a subnet that was made outside, on a network that is here."""
    row = Subnet(
        project_id=network.project_id,
        cloud=here.cloud,
        network=network,
        name=seen.name or seen.cidr,
        status=ACTIVE,
        provider_id=seen.id,
        counted=network.project_id is not None,
    )
    subnets.note(row, seen)
    enter(row, related=network)


def enter(row: Any, *, related: Any = None) -> None:
    """Write a row of something that was made outside, and tell its project."""
    with transaction.atomic():
        row.save(force_insert=True)
        if row.project_id is None:
            return
        # It is there, whatever the limit says.
        quotas.count(row.project_id, held_by(row))
        events.record(f"{row.kind}.created", actor=SYSTEM, subject=row, related=related)


# Routers


def follow_routers(
    here: Pass, listed: Iterable[CloudRouter], ports: Iterable[CloudPort]
) -> None:
    """Follow our routers, and which subnets they have."""
    known = known_rows(Router, here)
    there = {subnet.provider_id: subnet for subnet in known_rows(Subnet, here).values()}
    outside = dict(
        Network.objects.filter(cloud=here.cloud, external=True).values_list(
            "pk", "provider_id"
        )
    )
    attached: dict[str, set[str]] = {}
    for port in ports:
        if port.router_id:
            subnet_ids = {ip.subnet_id for ip in port.fixed_ips}
            attached.setdefault(port.router_id, set()).update(subnet_ids)
    seen = {router.id: router for router in listed}
    for router in seen.values():
        row = known.get(router.id)
        if row is None or row.pk in here.busy:
            continue
        shown = outside.get(row.external_network_id), row.external_ip
        if shown != (router.external_network_id, router.external_ip):
            correct(here, row, partial(routers.note, seen=router))
        _follow_interfaces(here, row, attached.get(router.id, set()), there)
    vanish_missing(here, known, seen)


def _follow_interfaces(
    here: Pass, router: Router, ids: set[str], there: Mapping[str, Subnet]
) -> None:
    changed = False
    for subnet in there.values():
        wanted = router.pk if subnet.provider_id in ids else None
        if subnet.router_id not in (None, router.pk) or subnet.router_id == wanted:
            continue
        if subnet.pk not in here.busy:
            set_router = partial(_set_router, router_id=wanted)
            changed |= correct(here, subnet, set_router) is not None
    if changed:
        correct(here, router, routers.list_subnets)


def _set_router(subnet: Subnet, router_id: UUID | None) -> None:
    subnet.router_id = router_id


# Security groups


def follow_groups(here: Pass, listed: Iterable[CloudGroup]) -> None:
    """Follow our groups and their rules, and show the cloud's default one."""
    known = known_rows(SecurityGroup, here)
    seen = {group.id: group for group in listed}
    for group in seen.values():
        if group.id not in known and group.is_default:
            known[group.id] = _offer_group(here, group)
    rows = known_rows(SecurityGroupRule, here)
    by_group: dict[UUID, dict[str, SecurityGroupRule]] = {}
    for rule in rows.values():
        by_group.setdefault(rule.group_id, {})[rule.provider_id] = rule
    for group in seen.values():
        row = known.get(group.id)
        if row is not None and row.pk not in here.busy:
            _follow_rules(here, row, group, by_group.get(row.pk, {}), known)
    vanish_missing(here, known, seen)


def _offer_group(here: Pass, seen: CloudGroup) -> SecurityGroup:
    row, _ = SecurityGroup.objects.get_or_create(
        cloud=here.cloud,
        provider_id=seen.id,
        defaults={
            "project": None,
            "name": seen.name,
            "status": ACTIVE,
            "counted": False,
            "stateful": seen.stateful,
        },
    )
    return row


def _follow_rules(
    here: Pass,
    group: SecurityGroup,
    seen: CloudGroup,
    known: Mapping[str, SecurityGroupRule],
    groups: Mapping[str, SecurityGroup],
) -> None:
    there = {rule.id: rule for rule in seen.rules}
    if there.keys() == known.keys():
        return
    with transaction.atomic():
        # Whoever adds a rule locks the group first.
        locked = SecurityGroup.locked(group.pk)
        if not here.may_correct(locked):
            return
        for rule in there.values():
            if rule.id not in known:
                _adopt_rule(here, locked, rule, groups)
        vanish_missing(here, known, there)
        correct(here, locked, rules.list_on)


def _adopt_rule(
    here: Pass,
    group: SecurityGroup,
    seen: CloudRule,
    groups: Mapping[str, SecurityGroup],
) -> None:
    """Enter a rule that was made outside, unless it or an equal one is here.

    One of a row that is gone is left over.
    """
    row = SecurityGroupRule(
        project_id=group.project_id,
        cloud=here.cloud,
        group=group,
        status=ACTIVE,
        counted=group.project_id is not None,
    )
    rules.note(row, seen, groups.get(seen.group_id or ""))
    equal = (
        Q(provider_id=seen.id)
        | Q(pk=owner_of(seen.marker))
        | Q(group=group, key=row.key, deleted_at=None)
    )
    if not SecurityGroupRule.objects.filter(equal, cloud=here.cloud).exists():
        enter(row, related=group)
