"""Wait for an end, and queue for what is busy: who has a place, what ends it early.

A wait holds a thread, so there are fewer places than a server has threads, and none
but its own half for one principal; it holds no database connection. It ends when what
it waits for ends, at its deadline, when its client hangs up, and when the service stops.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.http import HttpRequest
from rest_framework.request import Request

from compute import database, hangups
from compute.errors import OperationInProgress
from compute.places import Places
from compute.tail import Look, Watch, live_operations, newest_events, tail

#: Seconds between two looks for clients that have hung up, where no server reports it.
LOOK_SECONDS = 0.5

_places = Places("API_MAX_WAITERS")


@dataclass(eq=False, slots=True)
class Wait(hangups.Caller):
    """A request that waits, in its own thread."""

    bell: hangups.Bell

    @classmethod
    def of(cls, request: HttpRequest | Request) -> "Wait":
        meta = request.META
        # By HTTP/2 there are many requests on a connection: of none could be told that
        # it had no answer. An ASGI server says itself who has hung up.
        scope: dict[str, Any] | None = getattr(request, "scope", None)
        apart = scope is None and meta.get("SERVER_PROTOCOL", "").startswith("HTTP/1")
        return cls(
            (scope or {}).get(hangups.HUNG_UP) or hangups.Bell(),
            arrived=getattr(request, "arrived", time.monotonic()),
            address=meta.get("REMOTE_ADDR", ""),
            port=int(meta["SERVER_PORT"]) if apart else 0,
        )

    def until_end(self, operation_id: UUID, *, deadline: float) -> bool:
        """Block until an operation ends, or something else ends the wait; say which."""
        state = self._until_other(
            live_operations, operation_id, known=True, deadline=deadline
        )
        return state is None

    def until_grown(self, project_id: UUID, *, sequence: int, deadline: float) -> int:
        """Block until a project has newer events, or something else ends the wait.

        Return the sequence of its newest.
        """
        state = self._until_other(
            newest_events, project_id, known=sequence, deadline=deadline
        )
        return sequence if state is None else int(state)

    def until_free(self, busy: OperationInProgress, *, deadline: float) -> bool:
        """Block until what is in the way has ended; say whether to try again.

        Others may take its target first, again and again: it ends at the deadline.
        """
        blocking = busy.members.get("operation_id")
        if blocking is None or not self.until_end(
            UUID(str(blocking)), deadline=deadline
        ):
            return False
        return time.monotonic() < deadline

    def _until_other(self, look: Look, id: UUID, *, known: Any, deadline: float) -> Any:
        """Block until the state of a thing is another than is known; return the last.

        Each look is its own query outside of any transaction, so that it sees what
        others committed and holds no lock.
        """
        # By itself: what has ended by now needs no tail.
        state = _state(look, id, unless=known)
        if state != known:
            return state
        watch = Watch(look, id, known, self.bell.ring)
        tail.add(watch)
        try:
            while watch.known == known:
                pause = min(LOOK_SECONDS, deadline - time.monotonic())
                if pause <= 0 or not self.bell.wait(pause):
                    break
                _waits.end_departed()
        finally:
            tail.remove(watch)
        return watch.known


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
        self._lock = threading.Lock()
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


@contextmanager
def place(request: HttpRequest | Request) -> Iterator[Wait | None]:
    """Yield a wait of this request, or nothing where there is no place for one."""
    with _places.one(f"user:{request.user.pk}") as admitted:
        if not admitted:
            yield None
            return
        wait = Wait.of(request)
        _waits.add(wait)
        try:
            yield wait
        finally:
            _waits.discard(wait)
