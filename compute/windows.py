"""Counts that are forgotten after a while, for one process: no thread, bounded memory."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

#: Windows that are kept at once.
MAX_WINDOWS = 50_000
#: Old windows that a new one removes at most, so that none pays for many.
_SWEPT = 4


@dataclass(slots=True)
class _Window:
    end: float
    count: int = 0


class Windows:
    """Counts by key, each from its first until so many seconds later.

    When there are too many, those that would end first are dropped. So many clients,
    each counted for a minute, do not displace failed logins, which count for longer.
    """

    def __init__(
        self,
        *,
        max_windows: int = MAX_WINDOWS,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._max = max_windows
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        #: Their ends, first the next; those that were cleared stay until then.
        self._ends: list[tuple[float, str]] = []
        # Held for an update of these two.
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._windows)

    def increment(self, key: str, seconds: float) -> tuple[int, float]:
        """Count one more; return how many there are, and the seconds that are left."""
        now = self._clock()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.end <= now:
                self._sweep(now)
                window = self._windows[key] = _Window(now + seconds)
                heappush(self._ends, (window.end, key))
            window.count += 1
            return window.count, window.end - now

    def read(self, key: str) -> tuple[int, float]:
        """Return how many were counted, and the seconds that are left; 0 and 0 if none."""
        now = self._clock()
        with self._lock:
            window = self._windows.get(key)
            if window is None or window.end <= now:
                return 0, 0.0
            return window.count, window.end - now

    def clear(self, key: str) -> None:
        with self._lock:
            self._windows.pop(key, None)

    def _sweep(self, now: float) -> None:
        """Make room for one more; ends are popped sooner than they are added."""
        for _ in range(_SWEPT):
            if not self._ends or (
                self._ends[0][0] > now and len(self._ends) < self._max
            ):
                return
            end, key = heappop(self._ends)
            window = self._windows.get(key)
            if window is not None and window.end == end:
                del self._windows[key]
