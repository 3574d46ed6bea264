"""The worker inside runserver: Celery's own worker and beat as threads of this process.

Messages stay in memory. What a killed process forgets, the sweep finds in the database.
"""

import threading
from types import TracebackType
from typing import Any, Self

import structlog
from celery import current_app
from celery.beat import EmbeddedService

from compute.management.pool import QueuePool

logger = structlog.get_logger(__name__)

#: Threads for each cloud.
CONCURRENCY = 16

#: More than the pool takes to stop, seconds.
STOP_SECONDS = 10.0


class EmbeddedWorker:
    """A worker and a beat that live as long as the with block."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._beat: Any = EmbeddedService(
            current_app, thread=True, scheduler_cls=current_app.conf.beat_scheduler
        )
        self._worker = threading.Thread(
            target=self._work, name="embedded-worker", daemon=True
        )

    def __enter__(self) -> Self:
        self._worker.start()
        self._ready.wait(timeout=STOP_SECONDS)
        self._beat.start()
        logger.info("embedded worker started", threads=CONCURRENCY)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._beat.service.stop()
        # A message, not the flag that Celery's signal handlers set: its loop looks at
        # that only between two waits for messages, of two seconds each.
        current_app.control.broadcast(
            "shutdown", arguments={"msg": "embedded worker stopping"}
        )
        self._worker.join(timeout=STOP_SECONDS)
        if self._worker.is_alive():
            logger.warning("embedded worker left busy; its work is taken up again")
        else:
            logger.info("embedded worker stopped")

    def _work(self) -> None:
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
            ready_callback=lambda _consumer: self._ready.set(),
        )
        worker.start()
