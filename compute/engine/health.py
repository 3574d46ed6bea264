"""The health of a cloud's services: when a pass over one is due, and whether it is away."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from compute import clouds
from compute.engine import queue, work
from compute.models.cloud import Cloud, CloudService


def ask_for_pass(alias: str, service: str) -> None:
    """Have a pass made soon: something was just asked of the service.

    Passes stay at least the live interval apart, however many ask. No cloud has done
    what it was just asked before it could have listed its things once. One that asked
    for a pause gets it.
    """
    row = _row(alias, service)
    if row is None or row.failures:  # one that is away is asked ever less often
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
    return _due_in(_row(alias, service))


def _due_in(row: CloudService | None) -> float:
    if row is None or row.next_pass_at is None:
        return 0.0
    return max(0.0, (row.next_pass_at - timezone.now()).total_seconds())


def away_for(alias: str, service: str) -> float | None:
    """Return the seconds until a service that is away is asked again; ``None``: it is not.

    It is away from a pass that failed to the next that does not. Where that is not known
    yet a pass is asked for.
    """
    row = _row(alias, service)
    if row is not None and row.failures:
        return _due_in(row)
    ask_for_pass(alias, service)
    return None


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
