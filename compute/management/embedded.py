"""The worker inside runserver: Celery's own worker and beat as threads of this process.

Messages stay in memory. What a killed process forgets, the sweep finds in the database.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from celery import current_app
from celery.beat import EmbeddedService

from compute.management.pool import QueuePool

logger = structlog.get_logger(__name__)

#: Threads for each cloud.
CONCURRENCY = 16

#: More than the pool takes to stop, seconds.
STOP_SECONDS = 10.0


@contextmanager
def embedded_worker() -> Iterator[None]:
    """Run a worker and a beat for the time of the block.

    Ctrl-C may come at any moment, so also while they start.
    """
    beat: Any = EmbeddedService(
        current_app, thread=True, scheduler_cls=current_app.conf.beat_scheduler
    )
    ready = threading.Event()
    worker = threading.Thread(
        target=_work, args=(ready,), name="embedded-worker", daemon=True
    )
    worker.start()
    try:
        ready.wait(timeout=STOP_SECONDS)
        beat.start()
        logger.info("embedded worker started", threads=CONCURRENCY)
        yield
    finally:
        beat.service.stop()
        # A message, not the flag that Celery's signal handlers set: its loop looks at
        # that only between two waits for messages, of two seconds each.
        current_app.control.broadcast(
            "shutdown", arguments={"msg": "embedded worker stopping"}
        )
        worker.join(timeout=STOP_SECONDS)
        if worker.is_alive():
            logger.warning(
                "embedded worker stopped while busy; its work will be resumed"
            )
        else:
            logger.info("embedded worker stopped")


def _work(ready: threading.Event) -> None:
    worker = current_app.WorkController(
        hostname="embedded",
        pool=QueuePool,
        concurrency=CONCURRENCY,
        # Take every message at once: those of a cloud that hangs would fill any
        # window, and keep the others' from being seen.
        prefetch_multiplier=0,
        # These talk to other workers, and there are none.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        ready_callback=lambda _consumer: ready.set(),
    )
    worker.start()
