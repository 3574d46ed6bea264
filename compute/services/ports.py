"""Ports: the places that VMs have on networks.

They are ours: made before the server, given to it, and removed when it has gone. What a
VM's body shows of its networks and addresses is written here, from Neutron alone:
Nova's copy is late, and in some cases stays wrong.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from compute.engine import calls
from compute.engine.work import Again
from compute.errors import AddressTaken
from compute.limits import is_id
from compute.models import (
    VM,
    Network,
    Operation,
    Port,
    Project,
    ResourceStatus,
    SecurityGroup,
    Subnet,
)
from compute.services import cidrs, vm_networks
from compute.services.resources import requests
from compute.services.resources.calls import create_once, delete_once, marker_of
from compute.services.resources.requests import invalid
from compute.services.vm_networks import ports_of
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.ports import PortSpec

#: Of one VM.
MAX_NETWORKS = 16
MAX_GROUPS = 32


@dataclass(frozen=True, slots=True)
class Wish:
    """A network that a VM shall be on, as a client names it."""

    network: str
    ip: str | None = None


# What is asked for


def resolve(
    wishes: Sequence[Wish],
    groups: Sequence[str] | None,
    *,
    project: Project,
    cloud: str,
) -> tuple[list[Network], list[SecurityGroup] | None]:
    """Return the networks and groups that a client names, locked to the end.

    The lock keeps a delete of one from passing by. Raises ValidationError.
    """
    if len(wishes) > MAX_NETWORKS:
        raise invalid("#/networks", "max_length", f"At most {MAX_NETWORKS} networks.")
    networks = [
        requests.find(
            Network.objects.all(),
            wish.network,
            project=project,
            cloud=cloud,
            pointer=f"#/networks/{index}",
        )
        for index, wish in enumerate(wishes)
    ]
    if not wishes:
        default = _default_network(cloud)
        if default is None and groups is not None:
            detail = f"The cloud {cloud} has no default network; name one."
            raise invalid("#/networks", "required", detail)
        networks = [default] if default else []
    named = None if groups is None else resolve_groups(groups, project, cloud)
    # What is offered to all nobody deletes here, and everybody would wait for its lock.
    own = [row for row in (*networks, *(named or ())) if not row.is_offered]
    locked = {row.pk: row for row in requests.lock_all(own)}
    networks = [locked.get(row.pk, row) for row in networks]
    if named is not None:
        named = [locked.get(row.pk, row) for row in named]
        for group in named:
            requests.require_active(group, pointer="#/security_groups")
    for index, network in enumerate(networks):
        _check_usable(network, pointer=f"#/networks/{index}")
    _check_routes([], networks, pointer="#/networks/{}")
    return networks, named


def _default_network(cloud: str) -> Network | None:
    """Return the network of VMs that name none; of one not known yet Nova makes a port."""
    there = Network.objects.alive().filter(cloud=cloud, default=True)
    return there.exclude(subnets=[]).filter(status=ResourceStatus.ACTIVE).first()


def resolve_groups(
    groups: Sequence[str], project: Project, cloud: str
) -> list[SecurityGroup]:
    """Return the groups that a client names, or raise ValidationError."""
    if len(groups) > MAX_GROUPS:
        detail = f"At most {MAX_GROUPS} security groups."
        raise invalid("#/security_groups", "max_length", detail)
    found: dict[Any, SecurityGroup] = {}
    for index, name in enumerate(groups):
        pointer = f"#/security_groups/{index}"
        group = requests.find(
            SecurityGroup.objects.all(),
            name,
            project=project,
            cloud=cloud,
            pointer=pointer,
        )
        if group.pk in found:
            raise invalid(pointer, "repeated", "Is listed twice.")
        found[group.pk] = group
    return list(found.values())


def _check_usable(network: Network, *, pointer: str) -> None:
    requests.require_active(network, pointer=pointer)
    if network.external:
        detail = "A VM cannot be on an external network; use a floating IP."
        raise invalid(pointer, "external", detail)
    if not network.subnets:
        raise invalid(pointer, "no_subnet", "The network has no subnet.")


def _check_routes(
    present: Sequence[Network], added: Sequence[Network], *, pointer: str
) -> None:
    """Raise ValidationError for a second network with a router: one default route.

    A guest takes the gateways of all of them, and answers by the wrong one.
    """
    if len(present) + len(added) < 2:
        return
    routed = Subnet.objects.filter(
        network__in=[*present, *added],
        deleted_at=None,
        ip_version=4,
        router__isnull=False,
    )
    with_route = set(routed.values_list("network", flat=True))
    seen = {network.pk for network in present} & with_route
    for index, network in enumerate(added):
        if network.pk in with_route and seen - {network.pk}:
            detail = "The VM has a network with a router already: one default route."
            raise invalid(pointer.format(index), "second_route", detail)
        if network.pk in with_route:
            seen.add(network.pk)


def write(
    vm: VM,
    networks: Sequence[Network],
    groups: Sequence[SecurityGroup] | None,
    wishes: Sequence[Wish],
    *,
    pointer: str = "#/networks/{}/ip",
) -> list[Port]:
    """Write the ports of a VM, in the caller's transaction.

    Raises ValidationError for an address that is outside of the network's subnets or
    not a host's, and AddressTaken for one that another port of ours has.
    """
    made = []
    for index, network in enumerate(networks):
        ip = wishes[index].ip if wishes else None
        port = Port(project_id=vm.project_id, cloud=vm.cloud, vm=vm, network=network)
        if ip is not None:
            port.requested_ip = _free(network, ip, pointer=pointer.format(index))
        try:
            with transaction.atomic():
                port.save(force_insert=True)
        except IntegrityError as error:
            raise AddressTaken(f"Another VM has the address {ip}.") from error
        if groups is not None:
            port.security_groups.set(groups)
        made.append(port)
    return made


def _free(network: Network, ip: str, *, pointer: str) -> str:
    wanted = cidrs.address(ip, pointer=pointer)
    ranges = [cidrs.any_cidr(subnet["cidr"], pointer="") for subnet in network.subnets]
    range = next(
        (r for r in ranges if r.version == wanted.version and wanted in r), None
    )
    if range is None:
        listed = ", ".join(map(str, ranges))
        raise invalid(pointer, "outside", f"{ip} is not in {listed}.")
    cidrs.inside(ip, range, pointer=pointer)
    gateways = network.subnet_rows.filter(deleted_at=None, gateway_ip=str(wanted))
    if gateways.exists():
        raise invalid(pointer, "gateway", f"{ip} is the gateway's.")
    there = Port.objects.alive().filter(network=network).exclude(fixed_ips=[])
    taken = (
        fixed["ip"]
        for fixed_ips in there.values_list("fixed_ips", flat=True)
        for fixed in fixed_ips
    )
    if str(wanted) in taken:
        raise AddressTaken(f"Another VM has the address {ip}.")
    return str(wanted)


def check_room(vm: VM, network: Network) -> None:
    """Raise ValidationError unless a VM can be on one more network."""
    present = [port.network for port in ports_of(vm).select_related("network")]
    if len(present) >= MAX_NETWORKS:
        raise invalid("#/network", "max_length", f"At most {MAX_NETWORKS} networks.")
    _check_usable(network, pointer="#/network")
    _check_routes([n for n in present if n], [network], pointer="#/network")


def find(vm: VM, reference: str, *, pointer: str) -> Port:
    """Return the port of a VM that a client names by its id, or by its network."""
    there: list[Port] = list(ports_of(vm).select_related("network"))
    if is_id(reference):
        # However it is written.
        wanted = UUID(reference)
        found = [port for port in there if port.pk == wanted] or [
            port for port in there if port.network_id == wanted
        ]
    else:
        found = [
            port for port in there if port.network and port.network.name == reference
        ]
    if len(found) == 1:
        return found[0]
    code, detail = (
        ("ambiguous", "The VM is there several times; give the id of the port.")
        if found
        else ("does_not_exist", f"The VM is not on {reference}.")
    )
    raise invalid(pointer, code, detail)


# How it is done


def create_once_in(cloud: Cloud, operation: Operation, port: Port) -> Again | None:
    """Create a port exactly once; return when to look again."""
    groups = list(port.security_groups.values_list("provider_id", flat=True))
    network = port.network

    def create(request_id: str) -> Receipt:
        spec = PortSpec(
            network_id=network.provider_id if network else "",
            name=port.vm.name,
            marker=marker_of(port),
            ip=port.requested_ip or None,
            security_group_ids=groups or None,
        )
        return cloud.ports.create(spec, request_id=request_id)

    return create_once(
        operation,
        cloud,
        port,
        "ports.create",
        find=cloud.ports.find,
        create=create,
    )


def delete_once_in(cloud: Cloud, operation: Operation, port: Port) -> Again | None:
    """Delete a port that is ours, if it is there; return when to look again."""
    return delete_once(
        operation,
        cloud,
        port,
        "ports.delete",
        created_by="ports.create",
        find=cloud.ports.find,
        delete=cloud.ports.delete,
    )


def are_managed(vm_id: UUID) -> bool:
    """Whether a VM has ports that we made, and so have to remove."""
    return Port.objects.alive().filter(vm=vm_id, managed=True).exists()


def holder(cloud: Cloud, vm: VM) -> str:
    """Return the server that has a port of a VM's; empty: none."""
    for port in ports_of(vm).filter(managed=True).exclude(provider_id=""):
        server_id = cloud.ports.get(port.provider_id).server_id
        if server_id:
            return server_id
    return ""


def create_all(cloud: Cloud, operation: Operation, vm: VM) -> Again | list[str]:
    """Create the ports of a new VM; return their ids in the cloud, in order."""
    made = []
    for port in ports_of(vm).select_related("network", "vm"):
        again = create_once_in(cloud, operation, port)
        if again is not None:
            return again
        if not port.mac:
            vm_networks.note_all(port, cloud.ports.get(port.provider_id))
        made.append(port.provider_id)
    return made


def delete_all(cloud: Cloud, operation: Operation, vm: VM) -> Again | None:
    """Delete the ports that we made for a VM, once it has no server any more."""
    for port in ports_of(vm).filter(managed=True):
        again = delete_once_in(cloud, operation, port)
        if again is not None:
            return again
    return None


def set_groups(
    cloud: Cloud, operation: Operation, port: Port, groups: Iterable[SecurityGroup]
) -> None:
    """Give a port other security groups; doing it twice changes nothing."""
    ids = [group.provider_id for group in groups]

    def request(request_id: str) -> Receipt:
        return cloud.ports.set_security_groups(
            port.provider_id, ids, request_id=request_id
        )

    calls.send(operation, "ports.set_security_groups", request)
