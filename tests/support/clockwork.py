"""A clock that tests move."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """Time that stands still until it is advanced."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def advance_until(self, predicate: Callable[[], bool]) -> None:
        """Advance in steps of 0.1 s until the predicate holds."""
        for _ in range(600):
            if predicate():
                return
            self.advance(0.1)
        raise AssertionError("not true after a minute of this clock")
