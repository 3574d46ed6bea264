"""What failed work left in a cloud: second servers, dead snapshots' images, ports.

A create whose answer was lost may show its server only after it was repeated; a host
that died may leave an image half made, or a port without its server. What can be tied
to a VM or snapshot of ours by tag or id, and is not what that has, is removed and told
as an event. All else is somebody else's and never touched.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from itertools import chain, islice
from typing import Protocol, TypeVar

from django.db import transaction
from django.utils import timezone

from compute import clouds, events
from compute.events import SYSTEM, Actor
from compute.models import VM, Event, Snapshot, SnapshotStatus
from compute.services import observed
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.images import Image
from providers.contract.networks import Port
from providers.contract.servers import Server
from providers.errors import NotFound, ProviderError

log = logging.getLogger(__name__)

#: Rows looked up at a time.
CHUNK = 500
#: Removed in one pass at most, so that a pass ends; the next one goes on.
MOST_AT_ONCE = 20
#: The event that tells of it.
REMOVED = "vm.leftover_removed"
#: How long a port may outlive a second server and still be known for what it is.
RECENT = timedelta(days=1)


T = TypeVar("T")


class Remove(Protocol):
    def __call__(self, *, request_id: str) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing in the cloud, and whose it was."""

    kind: str
    id: str
    remove: Remove
    vm: VM
    snapshot: Snapshot | None = None


def remove(alias: str, servers: Sequence[Server], *, full: bool) -> None:
    """Remove what a listing shows to be left over; ``full``: images and ports too.

    What cannot be removed, or listed, now is left to the next pass that shows it.
    """
    cloud = clouds.get(alias)
    found: Iterator[Leftover] = servers_of(alias, cloud, servers)
    try:
        if full:
            images = cloud.images.list_snapshots()
            ports = cloud.networks.list_ports()
            found = chain(
                found,
                images_of(alias, cloud, images),
                ports_of(alias, cloud, ports, servers),
            )
        for leftover in islice(found, MOST_AT_ONCE):
            _remove(leftover)
    except ProviderError as error:
        log.warning("Leftovers in %s were not removed: %s", alias, error)


def _remove(leftover: Leftover) -> None:
    actor = Actor(SYSTEM.name, request_id=f"req-{uuid.uuid4()}")
    try:
        leftover.remove(request_id=actor.request_id)
    except NotFound:
        return
    except ProviderError as error:
        if error.retryable:
            raise
        # Locked, say, or in use: that must not keep the others from being removed.
        log.warning("Left %s %s: %s", leftover.kind, leftover.id, error)
        return
    log.warning("Removed %s %s, left by %s", leftover.kind, leftover.id, leftover.vm)
    with transaction.atomic():
        events.record(
            REMOVED,
            actor=actor,
            subject=leftover.snapshot or leftover.vm,
            related=leftover.vm if leftover.snapshot else None,
            data={"kind": leftover.kind, "id": leftover.id},
        )


def servers_of(
    alias: str, cloud: Cloud, listed: Iterable[Server]
) -> Iterator[Leftover]:
    """Find servers that carry a VM's tag and are not its server."""
    tagged = [
        (owner, server)
        for server in listed
        if not observed.is_gone(server) and server.task_state != "deleting"
        for owner in map(_uuid, server.tags)
        if owner is not None
    ]
    for chunk in _chunks(tagged):
        vms = (
            VM.objects.filter(cloud=alias, pk__in=[owner for owner, _ in chunk])
            .select_related("operation")
            .in_bulk()
        )
        for owner, server in chunk:
            vm = vms.get(owner)
            # While an operation lives it may be about to adopt this one.
            if vm and vm.server_id != server.id and vm.live_operation is None:
                delete = partial(cloud.servers.delete, server.id)
                yield Leftover("server", server.id, delete, vm)


def images_of(alias: str, cloud: Cloud, listed: Iterable[Image]) -> Iterator[Leftover]:
    """Find images of snapshots that failed or are deleted.

    Nova hands an image's properties down to the images of servers that were booted
    from it, our tag too. So once a snapshot has had an image only that very one counts.
    """
    tagged = [(owner, image) for image in listed if (owner := _uuid(image.tag))]
    for chunk in _chunks(tagged):
        snapshots = (
            Snapshot.objects.filter(
                cloud=alias,
                pk__in=[owner for owner, _ in chunk],
                status__in=(SnapshotStatus.ERROR, SnapshotStatus.DELETED),
            )
            .select_related("vm")
            .in_bulk()
        )
        for owner, image in chunk:
            snapshot = snapshots.get(owner)
            if (
                snapshot
                and snapshot.image_provider_id in ("", image.id)
                and snapshot.live_operation is None
            ):
                delete = partial(cloud.images.delete, image.id)
                yield Leftover("image", image.id, delete, snapshot.vm, snapshot)


def ports_of(
    alias: str, cloud: Cloud, listed: Iterable[Port], servers: Iterable[Server]
) -> Iterator[Leftover]:
    """Find ports of servers that we removed and that ``servers``, all, no longer has."""
    there = {server.id for server in servers}
    orphans = [port for port in listed if port.server_id not in there]
    for chunk in _chunks(orphans):
        gone = {port.server_id for port in chunk}
        owners = _owners_of_deleted(alias, gone)
        if others := gone - owners.keys():
            owners |= _owners_of_removed(alias, others)
        for port in chunk:
            if vm := owners.get(port.server_id):
                delete = partial(cloud.networks.delete_port, port.id)
                yield Leftover("port", port.id, delete, vm)


def _owners_of_deleted(alias: str, server_ids: Iterable[str]) -> dict[str, VM]:
    deleted = VM.objects.filter(
        cloud=alias, server_id__in=server_ids, deleted_at__isnull=False
    )
    return {vm.server_id: vm for vm in deleted}


def _owners_of_removed(alias: str, server_ids: Iterable[str]) -> dict[str, VM]:
    """Find those whose second server was removed here not long ago."""
    removed = Event.objects.filter(
        type=REMOVED,
        created_at__gte=timezone.now() - RECENT,
        subject_kind=VM.kind,
        data__kind="server",
        data__id__in=list(server_ids),
    )
    owners = {event.data["id"]: event.subject_id for event in removed}
    vms = VM.objects.filter(cloud=alias).in_bulk(owners.values())
    return {server: vms[vm] for server, vm in owners.items() if vm in vms}


def _uuid(tag: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(tag or "")
    except ValueError:
        return None


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
