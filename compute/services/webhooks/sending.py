"""Sending: threads that wait for receivers, and one that has all to do with the database.

That one claims deliveries, hands each to a thread of its own, and records what comes
back, many at once. The threads hold no connection to the database while they wait.
Those that wait for long do not count among those that are quick: receivers that hang
take places of their own, so that all others are served as if they were not there.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Protocol

import structlog
from django.utils import timezone

from compute import egress
from compute.database import give_back
from compute.egress import Answer
from compute.services.webhooks import reading, secrets
from compute.services.webhooks.claims import Claimed, claim
from compute.services.webhooks.results import FORGOTTEN, SLOW, Result, record

logger = structlog.get_logger(__name__)

#: Attempts of one process at the same time: those that wait for less than a second, and
#: those that wait for longer, or are likely to.
QUICK = 16
SLOW_PLACES = 16
#: Seconds for which one call of `work` takes on deliveries. It returns when their
#: attempts have ended, 16 s later at most.
TAKES_ON = 20.0
#: Seconds that results are waited for, so that many are recorded at once.
GATHERED = 0.01
LOOKS_EVERY = 0.2
USER_AGENT = "VM-Manager-Webhooks/1"


class Post(Protocol):
    """`egress.post`, or what stands in for it."""

    def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], /
    ) -> Answer: ...


@dataclass(eq=False, slots=True)
class Attempt:
    """A thread that waits for a receiver."""

    claimed: Claimed
    began: float = field(default_factory=time.monotonic)

    def is_slow(self, now: float) -> bool:
        return self.claimed.is_slow or now - self.began > SLOW


class _Places:
    """How many attempts this process makes, and who of it takes on more."""

    def __init__(self) -> None:
        self._attempts: set[Attempt] = set()
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[bool]:
        """Say whether the caller is the one who takes on deliveries."""
        mine = self._turn.acquire(blocking=False)
        try:
            yield mine
        finally:
            if mine:
                self._turn.release()

    def add(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.add(attempt)

    def remove(self, attempt: Attempt) -> None:
        with self._lock:
            self._attempts.discard(attempt)

    def free(self) -> tuple[int, int]:
        """Return the places that are free, and how many of them slow ones may take."""
        now = time.monotonic()
        with self._lock:
            total = len(self._attempts)
            slow = sum(attempt.is_slow(now) for attempt in self._attempts)
        left = QUICK + SLOW_PLACES - total
        return max(0, min(QUICK - (total - slow), left)), max(
            0, min(SLOW_PLACES - slow, left)
        )


_places = _Places()


def work(*, post: Post = egress.post) -> None:
    """Read the log, and send what is due, for as long as there is something to do.

    It returns at once where another thread of this process is at it.
    """
    sender = _Sender(post)
    with _places.turn() as mine:
        if mine:
            sender.take_on()
    sender.finish()


class _Sender:
    def __init__(self, post: Post) -> None:
        self._post = post
        self._results: SimpleQueue[Result] = SimpleQueue()
        self._in_flight = 0

    def take_on(self) -> None:
        """Claim and send until there is nothing left, or the time is up."""
        give_up = time.monotonic() + TAKES_ON
        next_look = 0.0
        while time.monotonic() < give_up:
            now = time.monotonic()
            read = 0
            if now >= next_look:
                read = reading.read()
                next_look = now if read else now + LOOKS_EVERY
            claimed = self._claim()
            if not (read or claimed or self._in_flight):
                return
            self._gather(LOOKS_EVERY if not (read or claimed) else GATHERED)

    def finish(self) -> None:
        """Wait for the attempts that are under way."""
        while self._in_flight:
            self._gather(LOOKS_EVERY)

    def _claim(self) -> int:
        """Begin what there is place for; return how many attempts that are."""
        places, slow_places = _places.free()
        if not places and not slow_places:
            return 0
        claimed = claim(places=places, slow_places=slow_places)
        for one in claimed:
            attempt = Attempt(one)
            _places.add(attempt)
            self._in_flight += 1
            threading.Thread(
                target=self._attempt,
                args=(attempt,),
                name="webhook",
                # Killed with the process: another sends it again, under the same id.
                daemon=True,
            ).start()
        return len(claimed)

    def _attempt(self, attempt: Attempt) -> None:
        try:
            result = attempt_now(attempt.claimed, self._post)
        finally:
            _places.remove(attempt)
        self._results.put(result)

    def _gather(self, seconds: float) -> None:
        """Record the results that come within some time, or at once if there are any."""
        give_back()
        results = []
        try:
            results.append(self._results.get(timeout=seconds))
            while True:
                results.append(self._results.get_nowait())
        except Empty:
            pass
        if results:
            self._in_flight -= len(results)
            record(results)


def attempt_now(claimed: Claimed, post: Post) -> Result:
    """Send a delivery once; whatever goes wrong is a result, too."""
    started_at, began = timezone.now(), time.monotonic()
    answer, error = None, ""
    if claimed.body is None:
        error = FORGOTTEN
    else:
        try:
            headers = headers_of(claimed, int(started_at.timestamp()), claimed.body)
            answer = post(claimed.webhook.url, claimed.body, headers)
        except (egress.Refused, egress.Unreachable, secrets.Unreadable) as problem:
            error = str(problem)
        except Exception as problem:
            # A defect of ours: the others must not wait for this one.
            logger.exception(
                "a delivery failed", delivery=str(claimed.delivery.pk), error=problem
            )
            error = "The service failed to send it."
    return Result(claimed, started_at, time.monotonic() - began, answer, error)


def headers_of(claimed: Claimed, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers of a delivery, as Standard Webhooks has them."""
    webhook, id = claimed.webhook, claimed.delivery.event_id
    stored = [webhook.secret]
    if webhook.old_secret_until and timestamp < webhook.old_secret_until.timestamp():
        stored.append(webhook.old_secret)
    signatures = (secrets.sign(secret, id, timestamp, body) for secret in stored)
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": USER_AGENT,
        "webhook-id": str(id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
