"""Who is on a network and who has a group, on the pages of either end."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from compute.admin.console import display
from compute.admin.console.operators import may
from compute.admin.console.pages import Table
from compute.models import VM, FloatingIP, Network, Port, SecurityGroup
from compute.models.owned import Owned

#: Lines of a table at most: a network may have thousands of VMs.
MAX_LINES = 200


def vms_on(
    request: HttpRequest, ports: QuerySet[Port], *, names_network: bool
) -> list[Table]:
    """Return the VMs of some ports, with their addresses; none to who sees no VMs."""
    if not may(request, "vm.list"):
        return []
    joined = ports.select_related("vm", "network").prefetch_related("floating_ips")
    lines = list(joined.order_by("vm__name", "id")[: MAX_LINES + 1])
    columns = ["VM", "Status", "Addresses", "MAC"]
    if names_network:
        columns.insert(2, "Network")
    rows = []
    for port in lines[:MAX_LINES]:
        cells = [
            display.link(port.vm),
            display.badge(port.vm.status),
            display.listed(_addresses(request, port)),
            port.mac or display.NONE,
        ]
        if names_network:
            cells.insert(2, _named(request, "network.list", port.network))
        rows.append(cells)
    note = f"The first {MAX_LINES} of them." if len(lines) > MAX_LINES else ""
    return [
        Table(title="VMs", columns=columns, rows=rows, nothing="No VMs.", note=note)
    ]


def _addresses(request: HttpRequest, port: Port) -> Iterable[SafeString | str]:
    yield from (ip["ip"] for ip in port.fixed_ips)
    for floating_ip in port.floating_ips.all():
        if floating_ip.deleted_at is None:
            yield _named(request, "floating-ip.list", floating_ip)


def _named(
    request: HttpRequest, permission: str, row: Owned | None
) -> SafeString | str:
    """Return a link to a row; to who may not see such rows no more than its name."""
    if row is None:
        return display.NONE
    return display.link(row) if may(request, permission) else str(row)


def networks_of(request: HttpRequest, vm: VM) -> Table:
    """Return the networks that a VM is on, as its body shows them."""
    networks = _rows(request, "network.list", Network, _ids(vm, "network"))
    groups = _rows(request, "security-group.list", SecurityGroup, vm.security_groups)
    leading: Mapping[str, FloatingIP] = {}
    if may(request, "floating-ip.list"):
        there = FloatingIP.objects.alive().filter(vm=vm)
        leading = {floating_ip.address: floating_ip for floating_ip in there}
    rows = [
        [
            _linked(networks, place["network"]),
            display.listed(
                display.link(leading[ip]) if ip in leading else ip
                for ip in (address["ip"] for address in place["addresses"])
            ),
            place["mac"] or display.NONE,
            display.listed(_linked(groups, id) for id in place["security_groups"]),
            place["port"],
        ]
        for place in vm.networks
    ]
    columns = ("Network", "Addresses", "MAC", "Security groups", "Port")
    return Table(
        title="Networks",
        columns=columns,
        rows=rows,
        nothing="No networks.",
    )


def _ids(vm: VM, name: str) -> list[str]:
    return [place[name] for place in vm.networks if place[name] is not None]


def _rows(
    request: HttpRequest, permission: str, model: type[Any], ids: Iterable[str]
) -> dict[UUID, Any]:
    """Return rows by their ids; none to who may not see them."""
    if not may(request, permission):
        return {}
    known: dict[UUID, Any] = model.objects.in_bulk(map(UUID, ids))
    return known


def _linked(rows: Mapping[UUID, Owned], id: str | None) -> SafeString | str:
    if id is None:
        return display.NONE
    row = rows.get(UUID(id))
    return id if row is None else display.link(row)
