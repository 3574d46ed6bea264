"""What failed and cancelled work left in a cloud's Neutron."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from compute import clouds
from compute.models import (
    FloatingIP,
    Network,
    Port,
    ResourceStatus,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
from compute.services.leftovers import Leftover, chunks
from compute.services.network_pass.listing import Listing
from compute.services.resources.calls import owner_of
from compute.services.vms.leftovers import ports_of
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.errors import NotFound


def of_networks(alias: str, listing: Listing) -> Iterator[Leftover]:
    """Find what carries the marker of a row that is gone, or has another thing.

    In an order that works: what leads somewhere before where it leads.
    """
    cloud = clouds.get(alias)
    marked = partial(_marked, alias)
    yield from marked(
        FloatingIP, "floating ip", listing.floating_ips, cloud.floating_ips.delete
    )
    yield from _ports(alias, cloud, listing)
    yield from ports_of(alias, listing.ports.values())
    yield from marked(
        Router, "router", listing.routers, partial(_delete_router, cloud, listing)
    )
    yield from marked(Subnet, "subnet", listing.subnets, cloud.subnets.delete)
    yield from marked(Network, "network", listing.networks, cloud.networks.delete)
    rules = {rule.id: rule for group in listing.groups.values() for rule in group.rules}
    # One that nobody sees lets traffic pass.
    yield from marked(
        SecurityGroupRule,
        "security group rule",
        rules,
        cloud.security_groups.delete_rule,
    )
    yield from marked(
        SecurityGroup, "security group", listing.groups, cloud.security_groups.delete
    )


def _marked(
    alias: str, model: Any, kind: str, listed: Any, delete: Any
) -> Iterator[Leftover]:
    ours = [
        (owner, thing)
        for thing in listed.values()
        if (owner := owner_of(thing.marker)) is not None
    ]
    for chunk in chunks(ours):
        rows = model.objects.filter(cloud=alias).in_bulk([owner for owner, _ in chunk])
        for owner, thing in chunk:
            row = rows.get(owner)
            if row is not None and _is_left(row, thing.id):
                yield Leftover(kind, thing.id, partial(delete, thing.id), row)


def _is_left(row: Any, id: str) -> bool:
    """Whether a thing is not, or no longer, what its row has.

    While an operation lives it may be about to find it.
    """
    if row.deleted_at is None and row.provider_id == id:
        return False  # nearly all
    unmade = row.status == ResourceStatus.ERROR and not row.provider_id
    other = row.provider_id not in ("", id)
    lost = row.deleted_at is not None or unmade or other
    if not lost or row.live_operation is not None:
        return False
    # A rule that was asked for again takes the one that is there.
    return (
        not type(row).objects.alive().filter(cloud=row.cloud, provider_id=id).exists()
    )


def _ports(alias: str, cloud: Cloud, listing: Listing) -> Iterator[Leftover]:
    """Find ports of ours whose row is gone, or of a VM that is."""
    ours = [
        (owner, port)
        for port in listing.ports.values()
        if (owner := owner_of(port.marker)) is not None
    ]
    for chunk in chunks(ours):
        rows = (
            Port.objects.filter(cloud=alias)
            .select_related("vm", "vm__operation")
            .in_bulk([owner for owner, _ in chunk])
        )
        for owner, port in chunk:
            row = rows.get(owner)
            if row is None or row.vm.live_operation is not None:
                continue
            lost = row.deleted_at is not None or row.provider_id != port.id
            if lost or row.vm.deleted_at is not None:
                delete = partial(cloud.ports.delete, port.id)
                yield Leftover("port", port.id, delete, row.vm)


def _delete_router(
    cloud: Cloud, listing: Listing, router_id: str, *, request_id: str
) -> Receipt:
    """Delete a router, once it has let go of its subnets."""
    for port in listing.ports.values():
        if port.router_id == router_id:
            for ip in port.fixed_ips:
                try:
                    cloud.routers.detach_subnet(
                        router_id, ip.subnet_id, request_id=request_id
                    )
                except NotFound:
                    continue
    return cloud.routers.delete(router_id, request_id=request_id)
