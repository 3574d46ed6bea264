"""Observe a cloud: one listing ends the operations it can and follows what drifted.

Waiting for a thousand VMs costs the same calls as waiting for one. A listing that
failed, or of which a page is missing, proves nothing.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, Q
from django.utils import timezone
from django_fsm import ConcurrentTransition

from compute import clouds
from compute.models import VM, Cloud, Operation, OperationType
from compute.services import (
    builds,
    leftovers,
    observed,
    operations,
    outbox,
    resizes,
    settling,
    snapshots,
    verbs,
)
from compute.services.outbox import Again, Outcome, Waiting
from providers.base import Image, Server
from providers.errors import ProviderError

log = logging.getLogger(__name__)

#: Two clocks may differ, and Nova compares whole seconds.
OVERLAP = timedelta(seconds=10)
#: Rows looked up at a time.
CHUNK = 500
#: How long a server that is being deleted may go unmentioned until it is asked for.
SILENCE = timedelta(seconds=10)


def observe(alias: str) -> bool:
    """Make one pass over a cloud if one is due and none runs; say if it was made.

    A cloud that fails is asked again later, ever less often up to the idle interval,
    and never sooner than it asked for.
    """
    started = timezone.now()
    cloud = _claim(alias, started)
    if cloud is None:
        return False
    clock = time.monotonic()
    full = _full_is_due(cloud, started)
    try:
        servers, images = _list(alias, cloud, full=full)
    except ProviderError as error:
        log.warning("Observing %s failed: %s", alias, error)
        _release_failed(cloud, str(error), retry_after=error.retry_after)
        return True
    except Exception as error:
        # A wrong setting, or a defect of the driver: tell, and keep asking.
        log.exception("Observing %s failed", alias)
        _release_failed(cloud, f"{type(error).__name__}: {error}")
        return True
    _read(alias, servers, images, started=started, full=full)
    leftovers.remove(alias, servers, full=full)
    _release(cloud, started, full=full, servers=servers, clock=clock)
    return True


def ask_for_pass(alias: str) -> None:
    """Have a pass made soon: something was just asked of the cloud.

    Passes stay at least the live interval apart, however many ask. No cloud has done
    what it was just asked before it could have listed its servers once. One that asked
    for a pause gets it.
    """
    soon = timezone.now()
    cloud = Cloud.objects.filter(alias=alias).first()
    if cloud is not None and cloud.observed_at is not None:
        seconds = cloud.pass_seconds or 0.0
        gap = timedelta(seconds=live_interval(seconds))
        soon = max(soon + timedelta(seconds=seconds), cloud.observed_at + gap)
    if cloud is not None and cloud.paused_until is not None:
        soon = max(soon, cloud.paused_until)
    Cloud.objects.filter(alias=alias, next_pass_at__gt=soon).update(next_pass_at=soon)


def live_interval(pass_seconds: float) -> float:
    """Return the seconds between the starts of passes while operations live.

    A cloud whose listing is slow is asked less often: at most half of the time.
    """
    slow = min(2 * pass_seconds, settings.OBSERVE_INTERVAL_IDLE_SECONDS)
    return max(settings.OBSERVE_INTERVAL_LIVE_SECONDS, slow)


def due_in(alias: str) -> float:
    """Return the seconds until the next pass over a cloud is due."""
    cloud = Cloud.objects.filter(alias=alias).only("next_pass_at").first()
    if cloud is None or cloud.next_pass_at is None:
        return 0.0
    return max(0.0, (cloud.next_pass_at - timezone.now()).total_seconds())


def _claim(alias: str, now: datetime) -> Cloud | None:
    cloud, _ = Cloud.objects.get_or_create(alias=alias)
    # As with operations: whoever holds it for longer has died, unless the cloud is slow.
    slow = 3 * max(cloud.pass_seconds or 0.0, cloud.full_pass_seconds or 0.0)
    lease = timedelta(seconds=max(settings.OPERATION_LEASE_SECONDS, slow))
    taken = (
        Cloud.objects.filter(alias=alias)
        .filter(Q(next_pass_at=None) | Q(next_pass_at__lte=now))
        .filter(Q(pass_lease_until=None) | Q(pass_lease_until__lte=now))
        .update(pass_lease_until=now + lease)
    )
    return Cloud.objects.get(alias=alias) if taken else None


def _full_is_due(cloud: Cloud, now: datetime) -> bool:
    interval = timedelta(seconds=settings.OBSERVE_FULL_INTERVAL_SECONDS)
    return cloud.full_observed_at is None or now >= cloud.full_observed_at + interval


def _list(
    alias: str, cloud: Cloud, *, full: bool
) -> tuple[list[Server], dict[str, Image] | None]:
    provider = clouds.provider(alias)
    since = None if full or cloud.observed_at is None else cloud.observed_at - OVERLAP
    servers = provider.list_servers(changes_since=since)
    # Images are asked for only while a snapshot is being taken.
    snapshotting = Operation.objects.waiting().filter(
        cloud=alias, type=OperationType.SNAPSHOT_CREATE
    )
    if not snapshotting.exists():
        return servers, None
    images = provider.list_snapshot_images()
    return servers, {image.tag: image for image in images if image.tag}


def _release(
    cloud: Cloud, started: datetime, *, full: bool, servers: list[Server], clock: float
) -> None:
    taken = time.monotonic() - clock
    # Passes that list everything are rare, so how long they take slows nothing down.
    pass_seconds = cloud.pass_seconds if full else taken
    seconds = (
        live_interval(pass_seconds or 0.0)
        if outbox.has_live(cloud.alias)
        else settings.OBSERVE_INTERVAL_IDLE_SECONDS
    )
    changes: dict[str, object] = {
        "observed_at": started,
        "next_pass_at": started + timedelta(seconds=seconds),
        "pass_lease_until": None,
        "pass_seconds": pass_seconds,
        "passes": F("passes") + 1,
        "calls": F("calls") + clouds.take_calls(cloud.alias),
        "failures": 0,
    }
    if full:
        changes |= {
            "full_observed_at": started,
            "full_pass_seconds": taken,
            "servers_seen": len(servers),
        }
    Cloud.objects.filter(pk=cloud.pk).update(**changes)


def _release_failed(
    cloud: Cloud, error: str, *, retry_after: float | None = None
) -> None:
    backoff = min(
        settings.OBSERVE_INTERVAL_LIVE_SECONDS * 2 ** min(cloud.failures, 10),
        settings.OBSERVE_INTERVAL_IDLE_SECONDS,
    )
    now = timezone.now()
    pause = timedelta(seconds=retry_after or 0.0)
    Cloud.objects.filter(pk=cloud.pk).update(
        next_pass_at=now + max(timedelta(seconds=backoff), pause),
        paused_until=now + pause,
        pass_lease_until=None,
        failures=F("failures") + 1,
        calls=F("calls") + clouds.take_calls(cloud.alias),
        last_error=error,
        last_error_at=now,
    )


def _read(
    alias: str,
    servers: Sequence[Server],
    images: Mapping[str, Image] | None,
    *,
    started: datetime,
    full: bool,
) -> None:
    """Compare a complete listing with what we have."""
    # A call that was answered after the pass began may not show in it yet.
    waiting = list(
        Operation.objects.waiting()
        .filter(cloud=alias, updated_at__lte=started)
        .select_related("vm", "snapshot")
    )
    by_id = {server.id: server for server in servers}
    for operation in waiting:
        outcome = _look(operation, by_id, images, started=started, full=full)
        if outcome is not None:
            _settle(operation, outcome)
    live = Operation.objects.live().filter(cloud=alias, vm__isnull=False)
    busy = set(live.values_list("vm_id", flat=True))
    for start in range(0, len(servers), CHUNK):
        _follow(alias, servers[start : start + CHUNK], busy, started=started)
    if full:
        _note_missing(alias, by_id, busy, started=started)


def _look(
    operation: Operation,
    servers: Mapping[str, Server],
    images: Mapping[str, Image] | None,
    *,
    started: datetime,
    full: bool,
) -> Outcome | None:
    """Say what a listing shows of an operation, or ``None`` if nothing."""
    server = servers.get(operation.vm.server_id) if operation.vm else None
    if operation.type == OperationType.SNAPSHOT_CREATE:
        if images is None or (server is not None and server.task_state is not None):
            return None
        image = images.get(str(operation.snapshot_id))
        resting = server is not None and observed.resting_status(server) is not None
        return snapshots.look_create(operation, image, resting=resting)
    if server is None:
        # Not mentioned means unchanged, unless everything was listed. Or gone without a
        # trace: so Nova deletes a server that was in no cell yet.
        deleting = operation.call == "delete_server"
        silent = deleting and operation.updated_at < started - SILENCE
        return Again() if full or silent else None
    match operation.type:
        case OperationType.VM_CREATE:
            return builds.look_create(operation, server)
        case OperationType.VM_DELETE:
            return builds.look_delete(operation, server)
        case OperationType.VM_RESIZE:
            return resizes.look(operation, server)
        case _:
            return verbs.look(operation, server)


def _settle(operation: Operation, outcome: Outcome) -> None:
    try:
        if isinstance(outcome, Waiting):
            outbox.show_progress(operation, outcome)
        else:
            operations.settle(operation, outcome)
    except (ConcurrentTransition, DatabaseError):
        # One VM that cannot be settled now must not stop the others' pass.
        log.exception("Could not settle %s", operation)


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
