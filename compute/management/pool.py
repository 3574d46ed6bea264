"""The embedded worker's threads: each queue has its own, so no cloud waits for another.

Celery's pool of threads is one for all queues: sixteen calls to a cloud that hangs would
keep every other cloud waiting. And its threads are waited for when the process ends.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any

import structlog
from celery.concurrency.base import BasePool, apply_target

logger = structlog.get_logger(__name__)

Call = Callable[[], object]

#: How long a stop waits for calls that are under way, in seconds.
STOP_SECONDS = 5.0
#: When it says so.
QUIET_SECONDS = 0.3


class _Threads:
    """Up to ``limit`` threads for one queue, started as they are needed."""

    def __init__(self, name: str, limit: int) -> None:
        self._name = name
        self._limit = limit
        self._calls: SimpleQueue[Call | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._lock = threading.Lock()

    def submit(self, call: Call) -> None:
        with self._lock:
            self._busy += 1
            if len(self._threads) < min(self._busy, self._limit):
                thread = threading.Thread(
                    target=self._work,
                    name=f"{self._name}-{len(self._threads)}",
                    # Killed with the process: another takes up what it was doing.
                    daemon=True,
                )
                self._threads.append(thread)
                thread.start()
        self._calls.put(call)

    def end(self) -> None:
        """Drop what waits; threads end after what they are doing."""
        with suppress(Empty):
            while True:
                self._calls.get_nowait()
        for _ in self._threads:
            self._calls.put(None)

    def busy(self, give_up: float) -> int:
        """Return how many threads have not ended by the monotonic time ``give_up``."""
        for thread in self._threads:
            thread.join(timeout=max(0.0, give_up - time.monotonic()))
        return sum(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            try:
                call()
            finally:
                with self._lock:
                    self._busy -= 1


class QueuePool(BasePool):
    """A pool for Celery with ``limit`` threads for each queue."""

    body_can_be_buffer = True
    signal_safe = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._queues: dict[str, _Threads] = {}

    def on_stop(self) -> None:
        for threads in self._queues.values():
            threads.end()
        if under_way := self._busy(QUIET_SECONDS):
            logger.warning(
                "waiting for calls to finish; press Ctrl-C again to stop at once: the "
                "next start resumes them",
                calls=under_way,
                seconds=STOP_SECONDS,
            )
            self._busy(STOP_SECONDS)

    def _busy(self, seconds: float) -> dict[str, int]:
        """Return the queues whose calls have not ended within so many seconds."""
        give_up = time.monotonic() + seconds
        left = {name: threads.busy(give_up) for name, threads in self._queues.items()}
        return {name: calls for name, calls in left.items() if calls}

    def on_apply(
        self,
        target: Callable[..., Any],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        callback: Callable[..., Any] | None = None,
        accept_callback: Callable[..., Any] | None = None,
        **_: Any,
    ) -> None:
        """Run a task on the threads of the queue that its message came from."""
        request: Mapping[str, Any] = args[2]  # of celery.app.trace's tracers
        queue = request["delivery_info"]["routing_key"]
        if queue not in self._queues:
            self._queues[queue] = _Threads(queue, self.limit)
        self._queues[queue].submit(
            lambda: apply_target(target, args, kwargs, callback, accept_callback)
        )
