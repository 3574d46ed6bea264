"""Passes over the services of a cloud: who makes one, how often, and what one that fails means.

One listing ends the operations it can and tells what was changed outside: waiting for a
thousand things costs the same calls as waiting for one. A listing that failed, or of
which a page is missing, proves nothing. Each service has passes of its own, so one that
is away stops no other. What is listed, and followed, is a `Watch`.
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError
from django.db.models import F, Q
from django.utils import timezone

from compute import clouds
from compute.engine import queue, runner, work
from compute.models.cloud import Cloud, CloudService
from providers.errors import ProviderError

log = logging.getLogger(__name__)

#: Two clocks may differ, and Nova compares whole seconds.
OVERLAP = timedelta(seconds=10)


def observe(alias: str, service: str) -> bool:
    """Make one pass if one is due and none runs; say if it was made.

    A service that fails is asked again later, ever less often up to the idle interval,
    and never sooner than it asked for.
    """
    started = timezone.now()
    row = claim(alias, service, started)
    if row is None:
        return False
    watch = work.watch(service)
    full = not watch.lists_changes or full_is_due(row, started)
    since = None if full or row.observed_at is None else row.observed_at - OVERLAP
    clock = time.monotonic()
    try:
        listing = watch.list(alias, started, since)
        runner.look(alias, service, listing, started=started)
        watch.follow(alias, listing)
    except ProviderError as error:
        log.warning("Observing %s failed: %s", row, error)
        release_failed(row, str(error), retry_after=error.retry_after)
        return True
    except DatabaseError:
        # Nothing can be noted of it; the next pass comes when the lease has run out.
        raise
    except Exception as error:
        # A wrong setting, or a defect of the driver or ours: tell, and keep asking.
        log.exception("Observing %s failed", row)
        release_failed(row, f"{type(error).__name__}: {error}")
        return True
    taken = time.monotonic() - clock
    release(row, started, full=full, seen=len(listing), taken=taken)
    return True


def due() -> list[tuple[str, str]]:
    """Return the clouds and services whose passes are due before the next live interval."""
    return [
        (alias, service)
        for alias in clouds.aliases()
        for service in work.services()
        if due_in(alias, service) < settings.OBSERVE_INTERVAL_LIVE_SECONDS
    ]


def ask_for_pass(alias: str, service: str) -> None:
    """Have a pass made soon: something was just asked of the service.

    Passes stay at least the live interval apart, however many ask. No cloud has done
    what it was just asked before it could have listed its things once. One that asked
    for a pause gets it.
    """
    row = _row(alias, service)
    if row is None:
        return
    soon = timezone.now()
    if row.observed_at is not None:
        seconds = row.pass_seconds or 0.0
        gap = timedelta(seconds=live_interval(seconds))
        soon = max(soon + timedelta(seconds=seconds), row.observed_at + gap)
    if row.paused_until is not None:
        soon = max(soon, row.paused_until)
    later = CloudService.objects.filter(pk=row.pk, next_pass_at__gt=soon)
    later.update(next_pass_at=soon)


def _row(alias: str, service: str) -> CloudService | None:
    return CloudService.objects.filter(cloud=alias, service=service).first()


def live_interval(pass_seconds: float) -> float:
    """Return the seconds between the starts of passes while operations live.

    A service whose listing is slow is asked less often: at most half of the time.
    """
    slow = min(2 * pass_seconds, settings.OBSERVE_INTERVAL_IDLE_SECONDS)
    return max(settings.OBSERVE_INTERVAL_LIVE_SECONDS, slow)


def due_in(alias: str, service: str) -> float:
    """Return the seconds until the next pass over a service is due."""
    row = _row(alias, service)
    if row is None or row.next_pass_at is None:
        return 0.0
    return max(0.0, (row.next_pass_at - timezone.now()).total_seconds())


def claim(alias: str, service: str, now: datetime) -> CloudService | None:
    """Return a service if a pass is due and this worker is the one to make it."""
    row = _row(alias, service)
    if row is None:
        cloud, _ = Cloud.objects.get_or_create(alias=alias)
        row, _ = CloudService.objects.get_or_create(cloud=cloud, service=service)
    # As with operations: whoever holds it for longer has died, unless it is slow.
    slow = 3 * max(row.pass_seconds or 0.0, row.full_pass_seconds or 0.0)
    lease = timedelta(seconds=max(settings.OPERATION_LEASE_SECONDS, slow))
    # A pass that ended since the row was read has put the next one off.
    taken = (
        CloudService.objects.filter(pk=row.pk)
        .filter(Q(next_pass_at=None) | Q(next_pass_at__lte=now))
        .filter(Q(pass_lease_until=None) | Q(pass_lease_until__lte=now))
        .update(pass_lease_until=now + lease)
    )
    return row if taken else None


def full_is_due(row: CloudService, now: datetime) -> bool:
    """Whether the next pass has to list everything, not only what has changed."""
    interval = timedelta(seconds=settings.OBSERVE_FULL_INTERVAL_SECONDS)
    return row.full_observed_at is None or now >= row.full_observed_at + interval


def release(
    row: CloudService, started: datetime, *, full: bool, seen: int, taken: float
) -> None:
    """Note a good pass: it saw so many things and took so many seconds."""
    watch = work.watch(row.service)
    # Where passes that list everything are rare, how long they take slows nothing down.
    pass_seconds = row.pass_seconds if full and watch.lists_changes else taken
    if not watch.is_followed:
        seconds = settings.OBSERVE_FULL_INTERVAL_SECONDS
    elif queue.has_live(row.cloud_id, row.service):
        seconds = live_interval(pass_seconds or 0.0)
    else:
        seconds = settings.OBSERVE_INTERVAL_IDLE_SECONDS
    changes: dict[str, object] = {
        "observed_at": started,
        "next_pass_at": started + timedelta(seconds=seconds),
        "pass_lease_until": None,
        "pass_seconds": pass_seconds,
        "passes": F("passes") + 1,
        "failures": 0,
    }
    if full:
        changes |= {
            "full_observed_at": started,
            "full_pass_seconds": taken,
            "seen": seen,
        }
    CloudService.objects.filter(pk=row.pk).update(**changes)
    _count_calls(row.cloud_id)


def release_failed(
    row: CloudService, error: str, *, retry_after: float | None = None
) -> None:
    """Note a pass that failed: the next one comes later, ever less often."""
    backoff = min(
        settings.OBSERVE_INTERVAL_LIVE_SECONDS * 2 ** min(row.failures, 10),
        settings.OBSERVE_INTERVAL_IDLE_SECONDS,
    )
    now = timezone.now()
    pause = timedelta(seconds=retry_after or 0.0)
    CloudService.objects.filter(pk=row.pk).update(
        next_pass_at=now + max(timedelta(seconds=backoff), pause),
        paused_until=now + pause,
        pass_lease_until=None,
        failures=F("failures") + 1,
        last_error=error,
        last_error_at=now,
    )
    _count_calls(row.cloud_id)


def _count_calls(alias: str) -> None:
    sent = clouds.take_calls(alias)
    if sent:
        Cloud.objects.filter(alias=alias).update(calls=F("calls") + sent)
