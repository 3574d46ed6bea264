"""Wait for an end, and queue for what is busy: who has a place, what ends it early.

A wait holds no database connection. It ends when what it waits for ends, at its deadline,
when its client hangs up, and when the service stops. It holds its thread, so there are
fewer places than a server has threads, and none but its own half for one principal. Where
the server has a loop it is parked: the thread goes, and another one finishes the answer.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.response import Response

from compute import database, hangups
from compute.errors import OperationInProgress
from compute.places import Places
from compute.tail import Look, Watch, live_operations, newest_events, tail

#: Seconds between two looks for clients that have hung up, where no server reports it.
LOOK_SECONDS = 0.5

#: In the scope of ASGI: a Parking, and the Parked that a request goes on from.
PARKING, RESUMED = "vmmanager.parking", "vmmanager.resumed"

_places = Places("API_MAX_WAITERS")
#: Those that hold no thread.
_parked_places = Places("API_MAX_PARKED_WAITERS")


@dataclass(eq=False, slots=True)
class Wait(hangups.Caller):
    """A request that waits."""

    bell: hangups.Bell

    @classmethod
    def of(cls, request: HttpRequest | Request) -> "Wait":
        meta, parking = request.META, parking_of(request)
        # By HTTP/2 there are many requests on a connection: of none could be told that
        # it had no answer. An ASGI server says itself who has hung up.
        apart = parking is None and meta.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
        return cls(
            parking.hung_up if parking else hangups.Bell(),
            arrived=getattr(request, "arrived", time.monotonic()),
            address=meta.get("REMOTE_ADDR", ""),
            port=int(meta["SERVER_PORT"]) if apart else 0,
        )

    def until_end(self, operation_id: UUID, *, deadline: float) -> "Steps[bool]":
        """Wait until an operation ends, or something else ends the wait; say which."""
        until = Until(self, live_operations, operation_id, True, deadline)
        return (yield from until.changed()) is None

    def until_grown(
        self, project_id: UUID, *, sequence: int, deadline: float
    ) -> "Steps[int]":
        """Wait until a project has newer events, or something else ends the wait.

        Return the sequence of its newest.
        """
        until = Until(self, newest_events, project_id, sequence, deadline)
        state = yield from until.changed()
        return sequence if state is None else int(state)

    def until_free(
        self, busy: OperationInProgress, *, deadline: float
    ) -> "Steps[bool]":
        """Wait until what is in the way has ended; say whether to try again.

        Others may take its target first, again and again: it ends at the deadline.
        """
        blocking = busy.members.get("operation_id")
        if blocking is None:
            return False
        ended = yield from self.until_end(UUID(str(blocking)), deadline=deadline)
        return ended and time.monotonic() < deadline


@dataclass(frozen=True, slots=True)
class Until:
    """What a wait is for: that the state of one thing is another."""

    wait: Wait
    look: Look
    id: UUID
    known: Any
    #: Of time.monotonic().
    deadline: float

    @property
    def seconds(self) -> float:
        """How long there is left."""
        return self.deadline - time.monotonic()

    def changed(self) -> "Steps[Any]":
        """Wait, unless it has changed by now; return the last state."""
        # By itself: what has ended by now needs no tail.
        state = _state(self.look, self.id, unless=self.known)
        if state != self.known:
            return state
        return (yield self)

    def block(self) -> Any:
        """Wait in this thread; return the last state."""
        bell = self.wait.bell
        watch = Watch(self.look, self.id, self.known, bell.ring)
        tail.add(watch)
        try:
            while watch.known == self.known:
                pause = min(LOOK_SECONDS, self.seconds)
                if pause <= 0 or not bell.wait(pause):
                    break
                _waits.end_departed()
        finally:
            tail.remove(watch)
        return watch.known

    async def park(self) -> Any:
        """Wait on the event loop; return the last state."""
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        bell = self.wait.bell
        bell.on_ring = partial(loop.call_soon_threadsafe, woken.set)
        watch = Watch(self.look, self.id, self.known, bell.ring)
        tail.add(watch)
        try:
            async with asyncio.timeout(self.seconds):
                while watch.known == self.known and not bell.is_over:
                    await woken.wait()
                    woken.clear()
        except TimeoutError:
            pass
        finally:
            tail.remove(watch)
            bell.on_ring = None
        return watch.known


T = TypeVar("T")
#: What waits now and then: each look is its own query outside of any transaction, so
#: that it sees what others committed and holds no lock. It is sent the last state.
Steps = Generator[Until, Any, T]


@dataclass(eq=False, slots=True)
class Parked:
    """A request that waits without a thread."""

    until: Until
    #: Takes the last state, and returns the answer, or parks again.
    go_on: Callable[[Any], Response]
    #: Has it go on never.
    close: Callable[[], object]
    #: As it was when it came.
    request: Any
    #: The last one of what it waits for.
    state: Any = None


class Parking:
    """Lies in the scope of a request whose server has a loop to wait on."""

    __slots__ = ("_lock", "_over", "hung_up", "parked")

    def __init__(self) -> None:
        #: Of the one wait that a request has.
        self.hung_up = hangups.Bell()
        self._lock = threading.Lock()
        self._over = False
        #: What waits now: what its thread answers is no answer.
        self.parked: Parked | None = None

    def park(self, parked: Parked) -> None:
        """Take a request; called in its thread, which may outlast its client."""
        with self._lock:
            if not self._over:
                self.parked = parked
                return
        parked.close()

    def take(self) -> Parked | None:
        """Return what waits, if anything: it is to be resumed or closed."""
        with self._lock:
            parked, self.parked = self.parked, None
        return parked

    def end(self) -> None:
        """Close what waits, and what comes from now on."""
        with self._lock:
            self._over = True
        if parked := self.take():
            parked.close()


def _state(look: Look, id: UUID, *, unless: Any) -> Any:
    """Return the state of a thing; the one given while it cannot be read.

    The database may be back before the deadline, and what was asked for is committed.
    """
    try:
        return look({id}).get(id)
    except DatabaseError:
        return unless
    finally:
        database.give_back()


class _Waits:
    """The waits of this process."""

    def __init__(self) -> None:
        # A signal may come in the middle of it, and its handler ends all waits.
        self._lock = threading.RLock()
        self._open: set[Wait] = set()
        self._closed = False
        self._looked_at = 0.0
        self._at_end: list[Callable[[], object]] = []

    def add(self, wait: Wait) -> None:
        with self._lock:
            self._open.add(wait)
            if self._closed:
                wait.bell.end()
        self.end_departed(at_once=bool(wait.port))

    def discard(self, wait: Wait) -> None:
        with self._lock:
            self._open.discard(wait)

    def at_end(self, call: Callable[[], object]) -> None:
        with self._lock:
            self._at_end.append(call)

    def end_all(self) -> None:
        with self._lock:
            self._closed = True
            for wait in self._open:
                wait.bell.end()
            for call in self._at_end:
                call()

    def end_departed(self, *, at_once: bool = False) -> None:
        """End those whose clients have hung up, if nobody has just looked."""
        with self._lock:
            if not at_once and time.monotonic() < self._looked_at + LOOK_SECONDS:
                return
            self._looked_at = time.monotonic()
            unsure = [w for w in self._open if w.port and not w.bell.is_over]
            if unsure:
                for wait in hangups.departed(unsure):
                    wait.bell.end()


_waits = _Waits()
#: End every wait there is and will be: the service stops.
end_all = _waits.end_all
#: Have something else called then.
at_end = _waits.at_end


def parking_of(request: HttpRequest | Request) -> Parking | None:
    """Return where a request can be parked; under WSGI nowhere."""
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    return scope.get(PARKING) if scope else None


def is_parked(request: HttpRequest | Request) -> bool:
    """Whether a request waits now: its thread has no answer to it."""
    parking = parking_of(request)
    return parking is not None and parking.parked is not None


def resumed_by(request: HttpRequest | Request) -> Parked | None:
    """Return what a request goes on from, if it was parked."""
    scope: dict[str, Any] | None = getattr(request, "scope", None)
    return scope.get(RESUMED) if scope else None


@contextmanager
def place(request: HttpRequest | Request) -> Iterator[Wait | None]:
    """Yield a wait of this request, or nothing where there is no place for one."""
    places = _places if parking_of(request) is None else _parked_places
    with places.one(f"user:{request.user.pk}") as admitted:
        if not admitted:
            yield None
            return
        wait = Wait.of(request)
        _waits.add(wait)
        try:
            yield wait
        finally:
            _waits.discard(wait)
