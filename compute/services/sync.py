"""Observe a cloud: one listing ends the operations it can and follows what drifted.

Waiting for a thousand VMs costs the same calls as waiting for one. A listing that
failed, or of which a page is missing, proves nothing.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from compute import clouds
from compute.engine import passes, runner
from compute.models import VM, Cloud, Occupation, Operation, OperationType
from compute.services import leftovers, observed, settling
from compute.services.observed import Listing
from providers.contract.servers import Server
from providers.errors import ProviderError

log = logging.getLogger(__name__)

#: Two clocks may differ, and Nova compares whole seconds.
OVERLAP = timedelta(seconds=10)
#: Rows looked up at a time.
CHUNK = 500


def observe(alias: str) -> bool:
    """Make one pass over a cloud if one is due and none runs; say if it was made.

    A cloud that fails is asked again later, ever less often up to the idle interval,
    and never sooner than it asked for.
    """
    started = timezone.now()
    cloud = passes.claim(alias, started)
    if cloud is None:
        return False
    clock = time.monotonic()
    try:
        listing = _list(alias, cloud, started)
    except ProviderError as error:
        log.warning("Observing %s failed: %s", alias, error)
        passes.release_failed(cloud, str(error), retry_after=error.retry_after)
        return True
    except Exception as error:
        # A wrong setting, or a defect of the driver: tell, and keep asking.
        log.exception("Observing %s failed", alias)
        passes.release_failed(cloud, f"{type(error).__name__}: {error}")
        return True
    _read(alias, listing)
    servers = list(listing.servers.values())
    leftovers.remove(alias, servers, full=listing.full)
    passes.release(
        cloud,
        started,
        full=listing.full,
        seen=len(servers),
        taken=time.monotonic() - clock,
    )
    return True


def _list(alias: str, cloud: Cloud, started: datetime) -> Listing:
    full = passes.full_is_due(cloud, started)
    since = None if full or cloud.observed_at is None else cloud.observed_at - OVERLAP
    servers = {
        server.id: server
        for server in clouds.get(alias).servers.list_all(changes_since=since)
    }
    # Images are asked for only while a snapshot is being taken.
    snapshotting = Operation.objects.waiting().filter(
        cloud=alias, type=OperationType.SNAPSHOT_CREATE
    )
    waited_for = VM.objects.filter(
        operation__in=Operation.objects.waiting().filter(cloud=alias)
    )
    server_ids = dict(waited_for.values_list("pk", "server_id"))
    if not snapshotting.exists():
        return Listing(started, full, servers, server_ids)
    images = clouds.get(alias).images.list_snapshots()
    by_tag = {image.tag: image for image in images if image.tag}
    return Listing(started, full, servers, server_ids, by_tag)


def _read(alias: str, listing: Listing) -> None:
    """Compare a complete listing with what we have."""
    runner.look(alias, listing, started=listing.started)
    occupied = Occupation.objects.filter(kind=VM.kind, operation__cloud=alias)
    busy = set(occupied.values_list("target_id", flat=True))
    servers = list(listing.servers.values())
    for start in range(0, len(servers), CHUNK):
        chunk = servers[start : start + CHUNK]
        _follow(alias, chunk, busy, started=listing.started)
    if listing.full:
        _note_missing(alias, listing.servers, busy, started=listing.started)


def _follow(
    alias: str, servers: Sequence[Server], busy: set[UUID], *, started: datetime
) -> None:
    found = {server.id: server for server in servers}
    known = VM.objects.alive().filter(cloud=alias, server_id__in=found)
    for vm in known.select_related("flavor"):
        server = found[vm.server_id]
        if vm.pk in busy:
            continue
        if observed.is_gone(server):
            settling.vanish(vm, seen_at=started)
            continue
        status = observed.resting_status(server)
        if status is None:
            settling.note_unrest(vm, server)
        elif settling.differs(vm, server, status):
            settling.follow(vm, server, status, seen_at=started)


def _note_missing(
    alias: str,
    servers: Mapping[str, Server],
    busy: set[UUID],
    *,
    started: datetime,
) -> None:
    candidates = (
        VM.objects.alive()
        .filter(cloud=alias, created_at__lt=started)
        .exclude(server_id="")
        .values_list("pk", "server_id", "missing_since")
    )
    for pk, server_id, missing_since in candidates.iterator(chunk_size=CHUNK):
        if pk in busy or (server_id in servers and missing_since is None):
            continue
        if server_id in servers:
            VM.objects.filter(pk=pk).update(missing_since=None)
        else:
            settling.miss(VM.objects.get(pk=pk), absent_since=started)
