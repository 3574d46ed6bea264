"""Whether the service can do its work, asked of its parts at most once a second."""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping

from celery import current_app
from django.conf import settings
from django.db import Error, connection, transaction
from kombu.exceptions import OperationalError

from compute.engine import queue

#: Seconds for which an answer holds, and for which it is given while one asks again.
FRESH_SECONDS = 1.0
STALE_SECONDS = 10.0
#: Seconds after which who asks is taken to hang: without an older answer the others wait
#: for no longer.
PATIENCE_SECONDS = 1.0
#: Seconds the broker has to answer.
BROKER_TIMEOUT = 2

#: A sort that does not fit into its memory, so that it shows a full disk.
SPILL = (
    "SELECT count(*) FROM (SELECT n FROM generate_series(1, 4000) n ORDER BY n) rows"
)

Checks = Mapping[str, str]

_asking = threading.Lock()
#: When the one who asks began (time.monotonic).
_began: float | None = None
_known: tuple[float, Checks] | None = None


def checks() -> Checks:
    """Return each part with "ok" or "unavailable".

    One caller asks; the others are told what was last known, or that nothing is, so that
    a part that hangs holds one thread.
    """
    global _began
    known, now = _known, time.monotonic()
    if known is not None and now - known[0] < FRESH_SECONDS:
        return known[1]
    usable = known is not None and now - known[0] < STALE_SECONDS
    if not _asking.acquire(timeout=0 if usable else _patience(now)):
        return known[1] if usable and known is not None else NOTHING_KNOWN
    _began = time.monotonic()
    try:
        return _ask()
    finally:
        _began = None
        _asking.release()


def _patience(now: float) -> float:
    """Return how long to wait for who asks now."""
    began = _began
    return PATIENCE_SECONDS if began is None else max(0, began + PATIENCE_SECONDS - now)


def _ask() -> Checks:
    global _known
    # Who waited for the lock finds what the one before has learned.
    if _known is None or time.monotonic() - _known[0] >= FRESH_SECONDS:
        states = {name: _state(ask) for name, ask in PARTS.items()}
        _known = time.monotonic(), states
    return _known[1]


def forget() -> None:
    """Ask again at the next call: tests do."""
    global _known
    _known = None


def _state(ask: Callable[[], None]) -> str:
    try:
        ask()
    except (Error, OperationalError, OSError):
        return "unavailable"
    return "ok"


def _database() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        if connection.vendor != "postgresql":
            return
        cursor.execute("SET LOCAL work_mem = '64kB'")
        cursor.execute(SPILL)
        # A standby that nobody has promoted yet answers reads.
        cursor.execute("SHOW transaction_read_only")
        if cursor.fetchone() != ("off",):
            raise OSError("the database accepts no writes")


def _broker() -> None:
    with current_app.connection_for_write(
        transport_options=queue.BROKER_TIMEOUTS
    ) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_TIMEOUT)


def _disk() -> None:
    with tempfile.TemporaryFile(dir=settings.DATA_DIR) as file:
        file.write(bytes(4096))


PARTS: Mapping[str, Callable[[], None]] = {
    "database": _database,
    "broker": _broker,
    "disk": _disk,
}
NOTHING_KNOWN: Checks = dict.fromkeys(PARTS, "unavailable")
