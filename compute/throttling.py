"""How often a principal may ask: `limits` counts, in Redis for all processes together.

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
from typing import TypeVar, cast

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from compute.errors import RateLimited

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


class _Store:
    """The counter, and whether it is worth asking."""

    def __init__(self, url: str) -> None:
        timeouts = (
            {
                "socket_timeout": STORE_TIMEOUT,
                "socket_connect_timeout": STORE_TIMEOUT,
            }
            if url.startswith("redis")
            else {}
        )
        storage = storage_from_string(url, wrap_exceptions=True, **timeouts)
        self.storage = cast(Storage, storage)  # of an async+… URL it would be another
        self._limiter = FixedWindowRateLimiter(self.storage)
        self._asked_again_at = 0.0

    def hit(self, item: RateLimitItem, *keys: str) -> tuple[bool, int, int]:
        """Return whether there was room, what is left and for how many seconds."""
        admitted = self._limiter.hit(item, *keys)
        window = self._limiter.get_window_stats(item, *keys)
        left = max(1, round(window.reset_time - time.time()))
        return admitted, window.remaining, left

    def ask(self, question: Callable[[], T]) -> T | None:
        """Return what the storage answers; ``None`` while it is down."""
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


def _store() -> _Store:
    # Two threads that import the client of Redis at once may each see half of it.
    with _making:
        return _made_store()


@cache
def _made_store() -> _Store:
    return _Store(settings.RATE_LIMIT_STORE)


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
    policy, store = policies()[name], _store()
    counted = store.ask(lambda: store.hit(policy.item, name, principal))
    return None if counted is None else Standing(policy, *counted)


def tally(key: str, *, seconds: int) -> int:
    """Count one more of something, forgotten so long after the first; return how many.

    0 while the store is down.
    """
    store = _store()
    return store.ask(lambda: store.storage.incr(key, seconds)) or 0


def tallied(key: str) -> int:
    """Return how many were counted; 0 if none, or while the store is down."""
    store = _store()
    return store.ask(lambda: store.storage.get(key)) or 0


def seconds_left(key: str) -> int:
    """Return the seconds for which a count is kept still; 0 if there is none."""
    store = _store()
    end = store.ask(lambda: store.storage.get_expiry(key))
    left = 0.0 if end is None else end - time.time()
    return math.ceil(left) if left > 0 and tallied(key) else 0


def untally(key: str) -> None:
    """Forget a count."""
    store = _store()
    store.ask(lambda: store.storage.clear(key))
