"""What builds and deletes that went wrong left over: second servers, and ports."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from functools import partial

from django.utils import timezone

from compute import clouds
from compute.models import VM, Event
from compute.services.leftovers import REMOVED, Leftover, chunks, owner_id
from compute.services.vms import observed
from providers.contract.ports import Port
from providers.contract.servers import Server

#: How long a port may outlive a second server and still be known for what it is.
RECENT = timedelta(days=1)


def servers_of(alias: str, listed: Iterable[Server]) -> Iterator[Leftover]:
    """Find servers that carry a VM's tag and are not its server."""
    cloud = clouds.get(alias)
    tagged = [
        (owner, server)
        for server in listed
        if not observed.is_gone(server) and server.task_state != "deleting"
        for owner in map(owner_id, server.tags)
        if owner is not None
    ]
    ours = VM.objects.filter(cloud=alias)
    for chunk in chunks(tagged):
        owners = ours.filter(pk__in=[owner for owner, _ in chunk])
        first = dict(owners.values_list("pk", "server_id"))
        others = [
            (owner, server)
            for owner, server in chunk
            if first.get(owner, server.id) != server.id
        ]
        if not others:
            continue
        vms = ours.select_related("operation").in_bulk([owner for owner, _ in others])
        for owner, server in others:
            vm = vms.get(owner)
            # While an operation lives it may be about to adopt this one.
            if vm and vm.server_id != server.id and vm.live_operation is None:
                delete = partial(cloud.servers.delete, server.id)
                yield Leftover("server", server.id, delete, vm)


def ports_of(alias: str, listed: Iterable[Port]) -> Iterator[Leftover]:
    """Find ports of servers that we have removed and that are gone."""
    cloud = clouds.get(alias)
    for chunk in chunks(list(listed)):
        owners = _owners_of_removed(alias, {port.server_id for port in chunk})
        for port in chunk:
            vm = owners.get(port.server_id) if port.server_id else None
            # The listing of servers is another service's: ask for this one.
            if vm and observed.read(cloud, port.server_id) is None:
                delete = partial(cloud.ports.delete, port.id)
                yield Leftover("port", port.id, delete, vm)


def _owners_of_removed(alias: str, server_ids: set[str]) -> dict[str, VM]:
    """Find the VMs whose server, or second server, was removed here."""
    ours = VM.objects.filter(cloud=alias, server_id__in=server_ids)
    owners = {vm.server_id: vm for vm in ours.exclude(deleted_at=None)}
    living = set(ours.alive().values_list("server_id", flat=True))
    others = server_ids - living - owners.keys()
    removed = Event.objects.filter(
        type=REMOVED,
        created_at__gte=timezone.now() - RECENT,
        subject_kind=VM.kind,
        data__details__kind="server",
        data__details__id__in=sorted(others),
    )
    seconds = {event.details["id"]: event.subject_id for event in removed}
    vms = VM.objects.filter(cloud=alias).in_bulk(seconds.values())
    return owners | {server: vms[vm] for server, vm in seconds.items() if vm in vms}
