"""Subnets: what can be asked of them, and how it is done."""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any

from django.db import transaction

from compute.engine import calls
from compute.engine.work import Again, Answer, Done, End
from compute.events import Actor
from compute.expected import Expect
from compute.models import Network, Operation, OperationType, Port, Project, Subnet
from compute.services import cidrs
from compute.services.resources import ends, requests
from compute.services.resources.calls import create_once, delete_once, marker_of
from compute.services.resources.ends import Held
from compute.services.resources.requests import invalid
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.subnets import Subnet as CloudSubnet
from providers.contract.subnets import SubnetSpec

#: As Neutron has it by default.
MAX_NAMESERVERS = 5
MAX_POOLS = 32


class Omitted(Enum):
    """What no client can send, as null and any text can be."""

    OMITTED = "omitted"


OMITTED = Omitted.OMITTED


def build(
    network: Network,
    *,
    project: Project,
    cidr: str,
    name: str,
    gateway_ip: str | Omitted | None = OMITTED,
    dns_nameservers: Sequence[str] = (),
    dhcp: bool = True,
    allocation_pools: Sequence[Mapping[str, str]] = (),
    description: str = "",
    labels: Mapping[str, str] | None = None,
) -> Subnet:
    """Return a new subnet that fits into its network, not yet written.

    Raises ValidationError, pointing at the field.
    """
    range = cidrs.subnet_cidr(cidr, pointer="#/cidr")
    others = [subnet["cidr"] for subnet in network.subnets]
    if (other := cidrs.find_overlap(range, others)) is not None:
        detail = f"{range} overlaps with the subnet {other} of this network."
        raise invalid("#/cidr", "overlap", detail)
    if gateway_ip is OMITTED:
        gateway: str | None = str(range.network_address + 1)
    elif gateway_ip is not None:
        gateway = str(cidrs.inside(gateway_ip, range, pointer="#/gateway_ip"))
    else:
        gateway = None
    return Subnet(
        project=project,
        cloud=network.cloud,
        network=network,
        name=name,
        description=description,
        labels=dict(labels or {}),
        cidr=str(range),
        ip_version=range.version,
        gateway_ip=gateway,
        dns_nameservers=_nameservers(dns_nameservers),
        dhcp=dhcp,
        allocation_pools=_pools(allocation_pools, range, gateway),
    )


def _nameservers(texts: Sequence[str]) -> list[str]:
    if len(texts) > MAX_NAMESERVERS:
        detail = f"At most {MAX_NAMESERVERS} nameservers."
        raise invalid("#/dns_nameservers", "max_length", detail)
    found = [
        str(cidrs.address(text, pointer=f"#/dns_nameservers/{index}"))
        for index, text in enumerate(texts)
    ]
    if len(set(found)) < len(found):
        raise invalid("#/dns_nameservers", "repeated", "An address is listed twice.")
    return found


def _pools(
    pools: Sequence[Mapping[str, str]], range: cidrs.Range, gateway: str | None
) -> list[dict[str, str]]:
    if len(pools) > MAX_POOLS:
        detail = f"At most {MAX_POOLS} pools."
        raise invalid("#/allocation_pools", "max_length", detail)
    taken: list[tuple[int, int]] = []
    for index, pool in enumerate(pools):
        pointer = f"#/allocation_pools/{index}"
        start = cidrs.inside(pool["start"], range, pointer=f"{pointer}/start")
        end = cidrs.inside(pool["end"], range, pointer=f"{pointer}/end")
        if int(end) < int(start):
            raise invalid(f"{pointer}/end", "invalid", "Is before the start.")
        if any(int(start) <= last and first <= int(end) for first, last in taken):
            raise invalid(pointer, "overlap", "Overlaps with a pool before it.")
        if gateway and _is_in_pool(gateway, pool):
            raise invalid(pointer, "gateway", f"Contains the gateway {gateway}.")
        taken.append((int(start), int(end)))
    return [{"start": pool["start"], "end": pool["end"]} for pool in pools]


def create(
    *,
    project: Project,
    actor: Actor,
    network: str,
    cidr: str,
    name: str,
    **options: Any,
) -> Subnet:
    """Ask for a subnet of one of the project's networks, named by its id or name.

    ``options`` are those of `build`. Raises ValidationError and ResourceLimitExceeded.
    """
    with transaction.atomic():
        found = _own_network(network, project=project)
        (locked,) = requests.lock_all([found])
        requests.require_active(locked, pointer="#/network")
        subnet = build(locked, project=project, cidr=cidr, name=name, **options)
        requests.create(
            OperationType.SUBNET_CREATE,
            [subnet],
            actor=actor,
            related=locked,
        )
    return subnet


def _own_network(reference: str, *, project: Project) -> Network:
    own = Network.objects.alive().filter(project=project)
    clouds = set(own.filter(requests.named(reference)).values_list("cloud", flat=True))
    if len(clouds) > 1:
        detail = f"Several have the name {reference}; give an id."
        raise invalid("#/network", "ambiguous", detail)
    return requests.find(
        own,
        reference,
        project=project,
        cloud=next(iter(clouds), ""),
        pointer="#/network",
    )


update = requests.update


def configure(
    subnet: Subnet,
    *,
    actor: Actor,
    gateway_ip: str | Omitted | None = OMITTED,
    dns_nameservers: Sequence[str] | None = None,
    expect: Expect = None,
) -> Subnet:
    """Ask for another gateway (``None``: none) or other nameservers.

    What is not given stays. Raises ValidationError, and ResourceInUse for another
    gateway while a router has this one.
    """
    with transaction.atomic():
        subnet, network = requests.lock_all([subnet, subnet.network])
        requests.check_changeable(subnet, expect=expect)
        gateway = subnet.gateway_ip
        if gateway_ip is None:
            gateway = None
        elif gateway_ip is not OMITTED:
            range = cidrs.any_cidr(subnet.cidr, pointer="")
            gateway = str(cidrs.inside(gateway_ip, range, pointer="#/gateway_ip"))
        if gateway != subnet.gateway_ip:
            refuse_with_router(subnet)
            for pool in subnet.allocation_pools:
                if gateway and _is_in_pool(gateway, pool):
                    detail = (
                        f"Is in the allocation pool {pool['start']} to {pool['end']}."
                    )
                    raise invalid("#/gateway_ip", "in_pool", detail)
        nameservers = subnet.dns_nameservers
        if dns_nameservers is not None:
            nameservers = _nameservers(dns_nameservers)
        requests.begin(
            OperationType.SUBNET_CONFIGURE,
            subnet,
            subnet.change,
            actor=actor,
            related=network,
            params={"gateway_ip": gateway, "dns_nameservers": nameservers},
        )
    return subnet


def _is_in_pool(ip: str, pool: Mapping[str, str]) -> bool:
    start, wanted, end = (
        int(cidrs.address(text, pointer=""))
        for text in (pool["start"], ip, pool["end"])
    )
    return start <= wanted <= end


#: How a router lets go of a subnet.
DETACH = "Detach it first: POST /routers/{}/actions/detach-subnet."


def refuse_with_router(subnet: Subnet) -> None:
    """Raise ResourceInUse while a router has a subnet."""
    if subnet.router is not None:
        way_out = DETACH.format(subnet.router_id)
        requests.refuse_in_use(subnet, [subnet.router], way_out=way_out)


def delete(subnet: Subnet, *, actor: Actor, expect: Expect = None) -> Subnet:
    """Ask for a subnet to go; ResourceInUse while a router or a VM has an address of it."""
    with transaction.atomic():
        subnet, network = requests.lock_all([subnet, subnet.network])
        requests.check_deletable(subnet, expect=expect)
        refuse_with_router(subnet)
        requests.refuse_in_use(
            subnet,
            vms_with_addresses_of(subnet),
            way_out="Detach them first: POST /vms/{id}/actions/detach-network.",
        )
        requests.begin(
            OperationType.SUBNET_DELETE,
            subnet,
            subnet.remove,
            actor=actor,
            related=network,
        )
    return subnet


def vms_with_addresses_of(subnet: Subnet) -> list[Any]:
    """Return the VMs that have an address of a subnet, or are about to get one."""
    ports = Port.objects.alive().filter(network=subnet.network_id)
    found = {}
    for port in ports.select_related("vm"):
        subnets = {ip["subnet"] for ip in port.fixed_ips}
        if not port.provider_id or str(subnet.pk) in subnets:
            found[port.vm_id] = port.vm
    return list(found.values())


# How it is done


def create_subnet(
    operation: Operation, cloud: Cloud, subnet: Subnet, network: Network
) -> Again | None:
    """Create a subnet in the cloud exactly once; return when to look again."""

    def create(request_id: str) -> Receipt:
        spec = SubnetSpec(
            network_id=network.provider_id,
            name=subnet.name,
            marker=marker_of(subnet),
            cidr=subnet.cidr,
            gateway_ip=subnet.gateway_ip,
            dns_nameservers=subnet.dns_nameservers,
            dhcp=subnet.dhcp,
            allocation_pools=[
                (pool["start"], pool["end"]) for pool in subnet.allocation_pools
            ],
        )
        return cloud.subnets.create(spec, request_id=request_id)

    return create_once(
        operation,
        cloud,
        subnet,
        "subnets.create",
        find=cloud.subnets.find,
        create=create,
    )


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    subnet = Subnet.objects.select_related("network").get(pk=operation.target_id)
    again = create_subnet(operation, cloud, subnet, subnet.network)
    return again or Done(seen=seen_by(cloud, subnet))


def seen_by(cloud: Cloud, subnet: Subnet) -> dict[str, Any]:
    """Return a subnet as the cloud shows it, by our id, if it does."""
    found = cloud.subnets.find(marker=marker_of(subnet))
    return {str(subnet.pk): thing for thing in found if thing.id == subnet.provider_id}


def perform_configure(operation: Operation, cloud: Cloud) -> Answer:
    subnet = Subnet.objects.get(pk=operation.target_id)

    def update(request_id: str) -> Receipt:
        return cloud.subnets.update(
            subnet.provider_id,
            gateway_ip=operation.params["gateway_ip"],
            dns_nameservers=operation.params["dns_nameservers"],
            request_id=request_id,
        )

    calls.send(operation, "subnets.update", update)
    return Done()


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    subnet = Subnet.objects.get(pk=operation.target_id)
    again = delete_once(
        operation,
        cloud,
        subnet,
        "subnets.delete",
        created_by="subnets.create",
        find=cloud.subnets.find,
        delete=cloud.subnets.delete,
    )
    return again or Done()


# How it ends


def note(subnet: Subnet, seen: CloudSubnet) -> None:
    """Take over what the cloud says of a subnet."""
    subnet.cidr, subnet.ip_version = seen.cidr, seen.ip_version
    subnet.gateway_ip, subnet.dhcp = seen.gateway_ip, seen.dhcp
    subnet.dns_nameservers = list(seen.dns_nameservers)
    subnet.allocation_pools = [
        {"start": start, "end": end} for start, end in seen.allocation_pools
    ]


def list_on(network: Network, *changed: Subnet) -> None:
    """Show on a network the subnets that it has, ``changed`` as they are about to be."""
    known = {subnet.pk: subnet for subnet in network.subnet_rows.all()}
    known |= {subnet.pk: subnet for subnet in changed}
    network.subnets = [
        {"id": str(subnet.pk), "cidr": subnet.cidr}
        for subnet in sorted(known.values(), key=lambda row: (row.created_at, row.pk))
        if subnet.deleted_at is None and subnet.provider_id
    ]


def apply_seen(operation: Operation, held: Held, end: End) -> None:
    """Show what an operation made of a subnet, on its network too."""
    (subnet,), (network,) = ends.of(held, Subnet), ends.of(held, Network)
    if isinstance(end, Done):
        if isinstance(end.seen, dict) and (seen := end.seen.get(str(subnet.pk))):
            note(subnet, seen)
        if operation.type == OperationType.SUBNET_CONFIGURE:
            subnet.gateway_ip = operation.params["gateway_ip"]
            subnet.dns_nameservers = operation.params["dns_nameservers"]
    list_on(network, subnet)


settle = partial(ends.settle, apply=apply_seen)
