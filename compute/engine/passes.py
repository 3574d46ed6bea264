"""Passes over a cloud: who makes one, how often, and how long one that fails is left alone.

What a pass lists and follows is for the services.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone

from compute import clouds
from compute.engine import queue
from compute.models.cloud import Cloud


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


def claim(alias: str, now: datetime) -> Cloud | None:
    """Return a cloud if a pass is due and this worker is the one to make it."""
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


def full_is_due(cloud: Cloud, now: datetime) -> bool:
    """Whether the next pass has to list everything, not only what has changed."""
    interval = timedelta(seconds=settings.OBSERVE_FULL_INTERVAL_SECONDS)
    return cloud.full_observed_at is None or now >= cloud.full_observed_at + interval


def release(
    cloud: Cloud, started: datetime, *, full: bool, seen: int, taken: float
) -> None:
    """Note a good pass: it saw so many things and took so many seconds."""
    # Passes that list everything are rare, so how long they take slows nothing down.
    pass_seconds = cloud.pass_seconds if full else taken
    seconds = (
        live_interval(pass_seconds or 0.0)
        if queue.has_live(cloud.alias)
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
            "servers_seen": seen,
        }
    Cloud.objects.filter(pk=cloud.pk).update(**changes)


def release_failed(
    cloud: Cloud, error: str, *, retry_after: float | None = None
) -> None:
    """Note a pass that failed: the next one comes later, ever less often."""
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
