"""The ports of VMs, and the floating IPs that lead to them, as a pass shows them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from compute.models import VM, FloatingIP, Network, Port, SecurityGroup
from compute.services import floating_ips, vm_networks
from compute.services.leftovers import chunks
from compute.services.network_pass.changes import Pass, save
from compute.services.network_pass.things import known_rows, vanish_missing
from compute.services.vms.drift import may_correct
from providers.contract.floating_ips import FloatingIP as CloudFloatingIP
from providers.contract.ports import Port as CloudPort

#: VMs whose ports are entered for the first time in one pass, so that a pass ends:
#: after an import, or when this service is new, there may be very many.
MOST_NEW = 500


class Ids(NamedTuple):
    """Our ids of what ports refer to, by the cloud's."""

    networks: Mapping[str, UUID]
    groups: Mapping[str, UUID]
    #: As text: JSON has them.
    subnets: Mapping[str, str]


class Seen(NamedTuple):
    """The columns of a port that a listing is compared with."""

    pk: UUID
    provider_id: str
    vm_id: UUID
    network_id: UUID | None
    mac: str
    fixed_ips: list[dict[str, Any]]


def follow_ports(here: Pass, listed: Iterable[CloudPort]) -> None:
    """Follow the ports of VMs, those that Nova made too; write what VMs show of them."""
    of_servers = {port.id: port for port in listed if port.server_id}
    rows = Port.objects.alive().filter(cloud=here.cloud).exclude(provider_id="")
    known = {
        seen.provider_id: seen
        for seen in map(Seen._make, rows.values_list(*Seen._fields))
    }
    ids = Ids(
        _ids_of(Network, here),
        _ids_of(SecurityGroup, here),
        vm_networks.subnet_ids(here.cloud),
    )
    had = _groups_by_port(here)
    changed: set[UUID] = set()
    for port in of_servers.values():
        seen = known.get(port.id)
        if seen is None or seen.vm_id in here.busy:
            continue
        shown = seen.mac, seen.fixed_ips, seen.network_id, had.get(seen.pk, set())
        if shown != (
            port.mac,
            vm_networks.fixed_ips_of(port, ids.subnets),
            ids.networks.get(port.network_id),
            _groups_of(port, ids),
        ):
            changed.add(seen.vm_id)
    new = [port for port in of_servers.values() if port.id not in known]
    owners = _owners(here, {port.server_id for port in new})
    found = sorted({*owners.values()} - here.busy - changed)
    changed |= {*found[:MOST_NEW]}
    changed |= {
        seen.vm_id
        for id, seen in known.items()
        if id not in of_servers and seen.vm_id not in here.busy
    }
    by_vm: dict[UUID, list[CloudPort]] = {}
    for port in of_servers.values():
        seen = known.get(port.id)
        vm_id = seen.vm_id if seen else owners.get(port.server_id)
        if vm_id in changed:
            by_vm.setdefault(vm_id, []).append(port)
    for vm_id in sorted(changed):
        _correct_vm(here, vm_id, by_vm.get(vm_id, []), ids)


def _ids_of(model: Any, here: Pass) -> dict[str, UUID]:
    rows = model.objects.alive().filter(cloud=here.cloud)
    return dict(rows.exclude(provider_id="").values_list("provider_id", "pk"))


def _groups_of(port: CloudPort, ids: Ids) -> set[UUID]:
    return {ids.groups[id] for id in port.security_group_ids if id in ids.groups}


def _groups_by_port(here: Pass) -> dict[UUID, set[UUID]]:
    through = Port.security_groups.through._default_manager.filter(
        port__cloud=here.cloud, port__deleted_at=None
    )
    found: dict[UUID, set[UUID]] = {}
    for port_id, group_id in through.values_list("port_id", "securitygroup_id"):
        found.setdefault(port_id, set()).add(group_id)
    return found


def _owners(here: Pass, server_ids: set[str]) -> dict[str, UUID]:
    vms = VM.objects.alive().filter(cloud=here.cloud)
    owners: dict[str, UUID] = {}
    for chunk in chunks(sorted(server_ids)):
        there = vms.filter(server_id__in=chunk)
        owners |= dict(there.values_list("server_id", "pk"))
    return owners


def _correct_vm(
    here: Pass,
    vm_id: UUID,
    there: Iterable[CloudPort],
    ids: Ids,
) -> None:
    """Make the ports of a VM those that the cloud shows, unless an operation lives."""
    with transaction.atomic():
        leading = vm_networks.lock_leading_to(vm_id)
        vm = VM.locked(vm_id)
        if not may_correct(vm, here.started):
            return
        rows = {port.provider_id: port for port in vm_networks.ports_of(vm)}
        listed = {port.id: port for port in there}
        gone = [port for id, port in rows.items() if id and id not in listed]
        for id, port in listed.items():
            row = rows.get(id) or _adopt_port(here, vm, port)
            network_id = ids.networks.get(port.network_id)
            if row.network_id != network_id:
                row.network_id = network_id
                row.save(update_fields=["network"])
            vm_networks.note(row, port, ids.subnets)
            row.security_groups.set(_groups_of(port, ids))
        detached = vm_networks.remove(gone, leading)
        vm_networks.show(vm, leading=leading)
        save(vm)
        for floating_ip in detached:
            save(floating_ip)


def _adopt_port(here: Pass, vm: VM, seen: CloudPort) -> Port:
    """Enter a port that Nova, or somebody else, gave to the server of a VM."""
    return Port.objects.create(
        project_id=vm.project_id,
        cloud=here.cloud,
        vm=vm,
        provider_id=seen.id,
        managed=False,
    )


def follow_floating_ips(here: Pass, listed: Iterable[CloudFloatingIP]) -> None:
    """Follow our floating IPs, and where they lead."""
    known = known_rows(FloatingIP, here)
    seen = {floating_ip.id: floating_ip for floating_ip in listed}
    port_ids = _ids_of(Port, here)
    for floating_ip in seen.values():
        row = known.get(floating_ip.id)
        if row is None or row.pk in here.busy:
            continue
        port_id = port_ids.get(floating_ip.port_id or "")
        fixed_ip = floating_ip.fixed_ip if port_id else None
        shown = row.address, row.port_id, row.fixed_ip
        if shown != (floating_ip.address, port_id, fixed_ip):
            _correct_floating_ip(here, row, floating_ip)
    vanish_missing(here, known, seen)


def _correct_floating_ip(here: Pass, row: FloatingIP, seen: CloudFloatingIP) -> None:
    """Show where a floating IP leads that was moved outside, on the VMs too."""
    port = Port.objects.alive().filter(
        cloud=here.cloud, provider_id=seen.port_id or "-"
    )
    found = port.first()
    with transaction.atomic():
        locked = FloatingIP.locked(row.pk)
        vm_ids = {id for id in (locked.vm_id, found and found.vm_id) if id}
        if not here.may_correct(locked) or vm_ids & here.busy:
            return
        vms = [VM.locked(id) for id in sorted(vm_ids)]
        floating_ips.note(locked, seen, found)
        save(locked)
        for vm in vms:
            vm_networks.show(vm)
            save(vm)
