"""How often a principal may ask, counted in Redis for all processes together, or here.

A limiter that cannot count lets requests pass: it protects the service, and must not
be what brings it down.
"""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Protocol, TypeVar, cast

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from compute.errors import RateLimited
from compute.windows import Windows

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Seconds for which a store that failed is not asked again.
REST_SECONDS = 5.0
#: Seconds a store has to answer.
STORE_TIMEOUT = 0.25


@dataclass(frozen=True, slots=True)
class Policy:
    """A number of requests per window; the draft of the IETF's RateLimit headers."""

    name: str
    item: RateLimitItem

    @property
    def header(self) -> str:
        return f'"{self.name}";q={self.item.amount};w={self.item.get_expiry()}'


@dataclass(frozen=True, slots=True)
class Standing:
    """What a policy leaves a principal after this request."""

    policy: Policy
    #: Whether there was room for it.
    admitted: bool
    remaining: int
    #: Seconds until the next window begins.
    reset: int

    @property
    def header(self) -> str:
        return f'"{self.policy.name}";r={self.remaining};t={self.reset}'

    def refusal(self) -> RateLimited:
        """Return the problem of one request too many."""
        item = self.policy.item
        problem = RateLimited(
            f"More than {item.amount} requests in {item.get_expiry()} seconds.",
            violated_policies=[self.policy.name],
        )
        problem.retry_after = self.reset
        return problem


class Store(Protocol):
    """What counts. Each answer is ``None`` while it cannot."""

    def hit(self, item: RateLimitItem, *keys: str) -> tuple[bool, int, int] | None:
        """Count; return whether there was room, what is left and for how many seconds."""

    def increment(self, key: str, seconds: int) -> int | None:
        """Count one more, forgotten so long after the first; return how many."""

    def read(self, key: str) -> tuple[int, float] | None:
        """Return how many were counted, and the seconds for which they are kept."""

    def clear(self, key: str) -> None:
        """Forget a count."""


class _ProcessStore:
    """Counts for this process alone. That of `limits` starts a thread for every other hit."""

    def __init__(self) -> None:
        self._windows = Windows()

    def hit(self, item: RateLimitItem, *keys: str) -> tuple[bool, int, int]:
        count, seconds = self._windows.increment("/".join(keys), item.get_expiry())
        left = max(1, round(seconds))
        return count <= item.amount, max(0, item.amount - count), left

    def increment(self, key: str, seconds: int) -> int:
        return self._windows.increment(key, seconds)[0]

    def read(self, key: str) -> tuple[int, float]:
        return self._windows.read(key)

    def clear(self, key: str) -> None:
        self._windows.clear(key)


class _SharedStore:
    """Counts for all processes, and knows whether the store is worth asking."""

    def __init__(self, url: str) -> None:
        storage = storage_from_string(
            url,
            wrap_exceptions=True,
            socket_timeout=STORE_TIMEOUT,
            socket_connect_timeout=STORE_TIMEOUT,
        )
        self._storage = cast(Storage, storage)  # of an async+… URL it would be another
        self._limiter = FixedWindowRateLimiter(self._storage)
        self._asked_again_at = 0.0

    def hit(self, item: RateLimitItem, *keys: str) -> tuple[bool, int, int] | None:
        return self._ask(lambda: self._hit(item, *keys))

    def _hit(self, item: RateLimitItem, *keys: str) -> tuple[bool, int, int]:
        admitted = self._limiter.hit(item, *keys)
        window = self._limiter.get_window_stats(item, *keys)
        left = max(1, round(window.reset_time - time.time()))
        return admitted, window.remaining, left

    def increment(self, key: str, seconds: int) -> int | None:
        return self._ask(lambda: self._storage.incr(key, seconds))

    def read(self, key: str) -> tuple[int, float] | None:
        return self._ask(lambda: self._read(key))

    def _read(self, key: str) -> tuple[int, float]:
        count = self._storage.get(key)
        left = self._storage.get_expiry(key) - time.time()
        return (count, left) if count and left > 0 else (0, 0.0)

    def clear(self, key: str) -> None:
        self._ask(lambda: self._storage.clear(key))

    def _ask(self, question: Callable[[], T]) -> T | None:
        if time.monotonic() < self._asked_again_at:
            return None
        try:
            answer = question()
        except StorageError as error:
            if self._asked_again_at == 0.0:
                log.warning("Requests are not counted, the store is down: %s", error)
            self._asked_again_at = time.monotonic() + REST_SECONDS
            return None
        if self._asked_again_at:
            log.warning("Requests are counted again")
            self._asked_again_at = 0.0
        return answer


_making = threading.Lock()


def _store() -> Store:
    # Two threads that import the client of Redis at once may each see half of it.
    with _making:
        return _made_store()


@cache
def _made_store() -> Store:
    url = settings.RATE_LIMIT_STORE
    return _ProcessStore() if url == "memory://" else _SharedStore(url)


def prepare() -> None:
    """Make what counting needs; asks no store."""
    policy_header()
    _store()


@cache
def policies() -> dict[str, Policy]:
    """Return the policies by name; read when first needed."""
    return {
        name: Policy(name, parse(text)) for name, text in settings.RATE_LIMITS.items()
    }


def reset() -> None:
    """Read the settings again: tests change them."""
    _made_store.cache_clear()
    policies.cache_clear()
    policy_header.cache_clear()


@cache
def policy_header() -> str:
    return ", ".join(policy.header for policy in policies().values())


def count(name: str, principal: str) -> Standing | None:
    """Count a request; return what is left; ``None`` while the store is down."""
    policy = policies()[name]
    counted = _store().hit(policy.item, name, principal)
    return None if counted is None else Standing(policy, *counted)


def tally(key: str, *, seconds: int) -> int:
    """Count one more of something, forgotten so long after the first; return how many.

    0 while the store is down.
    """
    return _store().increment(key, seconds) or 0


def tallied(key: str) -> int:
    """Return how many were counted; 0 if none, or while the store is down."""
    return (_store().read(key) or (0, 0))[0]


def seconds_left(key: str) -> int:
    """Return the seconds for which a count is kept still; 0 if there is none."""
    return math.ceil((_store().read(key) or (0, 0))[1])


def untally(key: str) -> None:
    """Forget a count."""
    _store().clear(key)
