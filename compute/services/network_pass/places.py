"""The ports of VMs, and the floating IPs that lead to them, as a pass shows them."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction

from compute import events
from compute.events import SYSTEM
from compute.models import VM, FloatingIP, Network, Port, SecurityGroup
from compute.services import floating_ips, vm_networks
from compute.services.leftovers import chunks
from compute.services.network_pass.changes import Pass
from compute.services.network_pass.things import known_rows, vanish_missing
from providers.contract.floating_ips import FloatingIP as CloudFloatingIP
from providers.contract.ports import Port as CloudPort

#: VMs whose ports are entered for the first time in one pass, so that a pass ends:
#: after an import, or when this service is new, there may be very many.
MOST_NEW = 500


class Seen(NamedTuple):
    """The columns of a port that a listing is compared with."""

    pk: UUID
    provider_id: str
    vm_id: UUID
    vm__server_id: str
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
    subnets = vm_networks.subnet_ids(here.cloud)
    networks = _network_ids(here)
    groups = _group_ids(here)
    had = _groups_by_port(here)
    changed: set[UUID] = set()
    for port in of_servers.values():
        seen = known.get(port.id)
        if seen is None or seen.vm_id in here.busy:
            continue
        wanted = {groups[id] for id in port.security_group_ids if id in groups}
        if (
            not _is_unchanged(seen, port, subnets)
            or seen.network_id != networks.get(port.network_id)
            or wanted != had.get(seen.pk, set())
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
        _correct_vm(here, vm_id, by_vm.get(vm_id, []), subnets, groups)


def _is_unchanged(seen: Seen, port: CloudPort, subnets: Mapping[str, str]) -> bool:
    fixed_ips = [
        {"subnet": subnets.get(ip.subnet_id), "ip": ip.ip} for ip in port.fixed_ips
    ]
    return seen.mac == port.mac and seen.fixed_ips == fixed_ips


def _network_ids(here: Pass) -> dict[str, UUID]:
    rows = Network.objects.alive().filter(cloud=here.cloud)
    return dict(rows.exclude(provider_id="").values_list("provider_id", "pk"))


def _group_ids(here: Pass) -> dict[str, UUID]:
    rows = SecurityGroup.objects.alive().filter(cloud=here.cloud)
    return dict(rows.exclude(provider_id="").values_list("provider_id", "pk"))


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
    subnets: Mapping[str, str],
    groups: Mapping[str, UUID],
) -> None:
    """Make the ports of a VM those that the cloud shows, unless an operation lives."""
    with transaction.atomic():
        leading = vm_networks.lock_leading_to(vm_id)
        vm = VM.locked(vm_id)
        ended = vm.operation.finished_at if vm.operation else None
        if vm.deleted_at is not None or vm.live_operation is not None:
            return
        if ended is not None and ended >= here.started:
            return
        rows = {port.provider_id: port for port in vm_networks.ports_of(vm)}
        listed = {port.id: port for port in there}
        gone = [port for id, port in rows.items() if id and id not in listed]
        for id, port in listed.items():
            row = rows.get(id) or _adopt_port(here, vm, port)
            _note_network(here, row, port)
            vm_networks.note(row, port, subnets)
            row.security_groups.set(
                [groups[id] for id in port.security_group_ids if id in groups]
            )
        detached = vm_networks.remove(gone, leading)
        vm_networks.show(vm, leading=leading)
        changes = vm.visible_changes()
        vm.save_changes()
        if changes:
            events.record("vm.updated", actor=SYSTEM, subject=vm, data=changes)
        for floating_ip in detached:
            _save(floating_ip)


def _adopt_port(here: Pass, vm: VM, seen: CloudPort) -> Port:
    """Enter a port that Nova, or somebody else, gave to the server of a VM."""
    return Port.objects.create(
        project_id=vm.project_id,
        cloud=here.cloud,
        vm=vm,
        provider_id=seen.id,
        managed=False,
    )


def _note_network(here: Pass, port: Port, seen: CloudPort) -> None:
    """Show the network of a port, which may have come here after it."""
    there = Network.objects.alive().filter(cloud=here.cloud)
    network = there.filter(provider_id=seen.network_id).first()
    if port.network_id != (network and network.pk):
        port.network = network
        port.save(update_fields=["network"])


def _save(floating_ip: FloatingIP) -> None:
    changes = floating_ip.visible_changes()
    floating_ip.save_changes()
    if changes:
        events.record(
            "floating-ip.updated", actor=SYSTEM, subject=floating_ip, data=changes
        )


def follow_floating_ips(here: Pass, listed: Iterable[CloudFloatingIP]) -> None:
    """Follow our floating IPs, and where they lead."""
    known = known_rows(FloatingIP, here)
    seen = {floating_ip.id: floating_ip for floating_ip in listed}
    port_ids = dict(
        Port.objects.alive()
        .filter(cloud=here.cloud)
        .exclude(provider_id="")
        .values_list("provider_id", "pk")
    )
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
        _save(locked)
        for vm in vms:
            vm_networks.show(vm)
            changes = vm.visible_changes()
            vm.save_changes()
            if changes:
                events.record("vm.updated", actor=SYSTEM, subject=vm, data=changes)
