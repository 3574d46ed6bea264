"""Calls to a cloud: what one returns, and how many there were."""

import threading
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Receipt:
    """The cloud accepted a call; the work goes on behind it."""

    #: The cloud's own id of the call: the key of its `ServerAction`.
    request_id: str | None
    #: What the call made: its id, or the name of a keypair.
    created_id: str | None = None


class CallTally:
    """How many requests were sent to a cloud; safe between threads."""

    def __init__(self) -> None:
        self._calls = 0
        self._lock = threading.Lock()

    def count(self) -> None:
        """Count one request to the cloud; a driver calls it for each it sends."""
        with self._lock:
            self._calls += 1

    def take(self) -> int:
        """Return how many requests were sent since this was last asked."""
        with self._lock:
            calls, self._calls = self._calls, 0
        return calls
