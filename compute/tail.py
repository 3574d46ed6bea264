"""Tail: one look at the database for all in this process who wait for it to move on.

However many wait, a look is one query for the newest events of all their projects and
one for all their operations. The log is the truth: a commit in this process only has the
next look come sooner.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import DatabaseError, connection

from compute import database
from compute.models import Operation, Project

log = logging.getLogger(__name__)

#: Seconds between two looks: at least, and at most.
SHORTEST = 0.02
LONGEST = 0.1
#: Seconds until the next look after one that failed.
AFTER_FAILURE = 1.0
#: Seconds that the thread stays when nobody waits.
IDLE = 2.0

#: Returns the state of things by their ids; what is not there has none.
Look = Callable[[Collection[UUID]], Mapping[UUID, Any]]


def newest_events(project_ids: Collection[UUID]) -> Mapping[UUID, int]:
    """Return the sequence of each project's newest event."""
    rows = Project.objects.filter(pk__in=project_ids)
    return dict(rows.values_list("pk", "event_sequence"))


def live_operations(operation_ids: Collection[UUID]) -> Mapping[UUID, bool]:
    """Return which operations have not ended."""
    live = Operation.objects.live().filter(pk__in=operation_ids)
    return dict.fromkeys(live.values_list("pk", flat=True), True)


@dataclass(eq=False, slots=True)
class Watch:
    """Somebody who wants to be told when the state of one thing is another."""

    look: Look
    id: UUID
    #: The state they know.
    known: Any
    #: Called with the new state, in the thread of the tail. If it raises a DatabaseError
    #: it is called again after the next look.
    tell: Callable[[Any], object]
    since: float = field(default_factory=time.monotonic)


class Tail:
    """Looks for as long as somebody watches."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watches: set[Watch] = set()
        self._running = False
        #: A commit happened here: look soon.
        self._hinted = False

    def add(self, watch: Watch) -> None:
        """Tell a watch of every new state until it is removed."""
        with self._changed:
            self._watches.add(watch)
            self._changed.notify_all()
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="tail", daemon=True).start()

    def remove(self, watch: Watch) -> None:
        with self._changed:
            self._watches.discard(watch)

    def hint(self) -> None:
        """Have the next look come soon: something was committed."""
        # Without the lock: most commits happen where nobody watches.
        if self._running:
            with self._changed:
                self._hinted = True
                self._changed.notify_all()

    def _run(self) -> None:
        try:
            while self._await_watches():
                time.sleep(SHORTEST)
                pause = self._look()
                with self._changed:
                    self._changed.wait_for(lambda: self._hinted, timeout=pause)
        finally:
            connection.close()

    def _await_watches(self) -> bool:
        with self._changed:
            self._hinted = False
            if not self._changed.wait_for(lambda: self._watches, timeout=IDLE):
                # Under the lock, so that who adds one next starts a new thread.
                self._running = False
                return False
        return True

    def _look(self) -> float:
        """Tell who is to be told; return the seconds until the next look."""
        with self._changed:
            watches = list(self._watches)
        pause = LONGEST
        try:
            for look in {watch.look for watch in watches}:
                of_this = [watch for watch in watches if watch.look == look]
                states = look({watch.id for watch in of_this})
                database.give_back()
                for watch in of_this:
                    self._tell(watch, states.get(watch.id))
        except DatabaseError as error:
            log.warning("The tail cannot look: %s", " ".join(str(error).split()))
            pause = AFTER_FAILURE
        finally:
            database.give_back()
        youngest = max((watch.since for watch in watches), default=0.0)
        return min(pause, pause_after(time.monotonic() - youngest))

    def _tell(self, watch: Watch, state: Any) -> None:
        if state == watch.known:
            return
        before, watch.known = watch.known, state
        try:
            watch.tell(state)
        except DatabaseError:
            watch.known = before
            raise
        except Exception:
            # A watch that fails must not end what others wait for.
            log.exception("a watch failed")


def pause_after(waited: float) -> float:
    """Return the seconds until the next look: a twentieth of the wait so far.

    So an answer is late by a small part of what it took, for few queries.
    """
    return min(max(SHORTEST, waited / 20), LONGEST)


#: That of this process.
tail = Tail()
