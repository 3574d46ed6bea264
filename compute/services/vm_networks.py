"""What VMs show of their ports: networks, addresses, security groups.

It is Neutron's alone: Nova's copy is late, and in some cases stays wrong.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.utils import timezone

from compute.models import VM, FloatingIP, Port, SecurityGroup, Subnet
from providers.contract.ports import Port as CloudPort


def ports_of(vm: VM) -> Any:
    """Return the ports that a VM has, in the order of its network cards."""
    return Port.objects.alive().filter(vm=vm).order_by("created_at", "id")


def note(port: Port, seen: CloudPort, subnets: Mapping[str, str]) -> None:
    """Take over what the cloud says of a port; ``subnets`` are our ids by the cloud's."""
    fixed_ips = fixed_ips_of(seen, subnets)
    if (port.mac, port.fixed_ips) != (seen.mac, fixed_ips):
        port.mac, port.fixed_ips = seen.mac, fixed_ips
        port.save(update_fields=["mac", "fixed_ips"])


def fixed_ips_of(seen: CloudPort, subnets: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return a port's addresses as its row has them."""
    return [{"subnet": subnets.get(ip.subnet_id), "ip": ip.ip} for ip in seen.fixed_ips]


def note_all(port: Port, seen: CloudPort) -> None:
    """Do as `note`, and show the security groups that it was given."""
    note(port, seen, subnet_ids(port.cloud))
    there = SecurityGroup.objects.alive().filter(cloud=port.cloud)
    port.security_groups.set(there.filter(provider_id__in=seen.security_group_ids))


def subnet_ids(cloud: str) -> dict[str, str]:
    """Return our ids of a cloud's subnets by the cloud's."""
    known = Subnet.objects.filter(cloud=cloud).exclude(provider_id="")
    return {
        provider: str(pk) for provider, pk in known.values_list("provider_id", "pk")
    }


def show(vm: VM, *, leading: Iterable[FloatingIP] | None = None) -> None:
    """Write on a locked VM what its body shows of its ports; the caller saves it.

    ``leading`` are the floating IPs that lead to it, if they are known.
    """
    there = [
        port
        for port in ports_of(vm)
        .select_related("network")
        .prefetch_related("security_groups")
        if port.provider_id
    ]
    if not there:
        if vm.networks:
            vm.networks, vm.security_groups = [], []
            # Of one that is deleted they stay to be looked up.
            vm.addresses = vm.addresses if vm.deleted_at else []
        return
    if leading is None:
        leading = FloatingIP.objects.alive().filter(vm=vm)
    floating: dict[Any, list[FloatingIP]] = {}
    for floating_ip in leading:
        if floating_ip.port_id is not None and floating_ip.deleted_at is None:
            floating.setdefault(floating_ip.port_id, []).append(floating_ip)
    vm.networks = [_shown(port, floating.get(port.pk, ())) for port in there]
    groups = (group for shown in vm.networks for group in shown["security_groups"])
    vm.security_groups = sorted(set(groups))
    vm.addresses = _addresses(there, vm.networks)


def _shown(port: Port, floating: Iterable[FloatingIP]) -> dict[str, Any]:
    return {
        "network": str(port.network_id) if port.network_id else None,
        "port": str(port.pk),
        "mac": port.mac or None,
        "addresses": [
            *({"ip": ip["ip"], "type": "fixed"} for ip in port.fixed_ips),
            *({"ip": ip.address, "type": "floating"} for ip in floating),
        ],
        "security_groups": sorted(
            str(group.pk) for group in port.security_groups.all()
        ),
    }


def _addresses(
    there: Iterable[Port], shown: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    return [
        {
            "ip": address["ip"],
            "version": 6 if ":" in address["ip"] else 4,
            "network": port.network.name if port.network else "",
            "type": address["type"],
            "mac": port.mac or None,
        }
        for port, place in zip(there, shown, strict=True)
        for address in place["addresses"]
    ]


def lock_leading_to(vm_id: UUID) -> list[FloatingIP]:
    """Lock the floating IPs that lead to a VM: to be done before the VM is locked."""
    there = FloatingIP.objects.alive().filter(vm=vm_id).order_by("pk")
    return [FloatingIP.locked(pk) for pk in there.values_list("pk", flat=True)]


def remove(gone: Iterable[Port], leading: Iterable[FloatingIP]) -> list[FloatingIP]:
    """Mark ports as gone; return the floating IPs that led there, and now nowhere.

    These are locked, and for the caller to save.
    """
    ids = {port.pk for port in gone}
    if not ids:
        return []
    Port.objects.filter(pk__in=ids).update(deleted_at=timezone.now())
    detached = [floating_ip for floating_ip in leading if floating_ip.port_id in ids]
    for floating_ip in detached:
        floating_ip.vm = floating_ip.port = floating_ip.fixed_ip = None
    return detached
