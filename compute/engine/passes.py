"""Passes over the services of a cloud: who makes one, how often, and what one that fails means.

One listing ends the operations it can and tells what was changed outside: waiting for a
thousand things costs the same calls as waiting for one. A listing that failed, or of
which a page is missing, proves nothing. Each service has passes of its own, so one that
is away stops no other. What is listed, and followed, is a `Watch`.
"""

import logging
import time
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError
from django.utils import timezone

from compute import clouds
from compute.engine import health, runner, work
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
    row = health.claim(alias, service, started)
    if row is None:
        return False
    watch = work.watch(service)
    full = not watch.lists_changes or health.full_is_due(row, started)
    since = None if full or row.observed_at is None else row.observed_at - OVERLAP
    clock = time.monotonic()
    try:
        listing = watch.list(alias, started, since)
        runner.look(alias, service, listing, started=started)
        watch.follow(alias, listing)
    except ProviderError as error:
        log.warning("Observing %s failed: %s", row, error)
        health.release_failed(row, str(error), retry_after=error.retry_after)
        return True
    except DatabaseError:
        # Nothing can be noted of it; the next pass comes when the lease has run out.
        raise
    except Exception as error:
        # A wrong setting, or a defect of the driver or ours: tell, and keep asking.
        log.exception("Observing %s failed", row)
        health.release_failed(row, f"{type(error).__name__}: {error}")
        return True
    taken = time.monotonic() - clock
    health.release(row, started, full=full, seen=len(listing), taken=taken)
    return True


def due() -> list[tuple[str, str]]:
    """Return the clouds and services whose passes are due before the next live interval."""
    return [
        (alias, service)
        for alias in clouds.aliases()
        for service in work.services()
        if health.due_in(alias, service) < settings.OBSERVE_INTERVAL_LIVE_SECONDS
    ]
