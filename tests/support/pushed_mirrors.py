"""A mirror of a project that a webhook sends events to."""

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tests.support.mirrors import LISTS, Client, Things, told
from tests.support.receivers import Handler, status

#: Of a hundred deliveries that come for the first time: those that are refused, and
#: those that are taken, but not answered.
REFUSED, UNANSWERED = 4, 4


class PushedMirror:
    """Takes deliveries: some twice, some out of order, several at a time.

    What came with the highest `sequence` of a subject shows it as it is now.
    """

    def __init__(self) -> None:
        self.things: Things = {}
        #: Where it begins; what is older is in the list.
        self.first = 0
        #: Sequence -> the ids that it came with.
        self.ids: dict[int, set[str]] = {}
        #: What came, by sequence; and what was done with it.
        self.came: Counter[int] = Counter()
        self.done: Counter[str] = Counter()
        self._secret = ""
        self._random = random.Random(1)  # noqa: S311  # the same each time
        self._lock = threading.Lock()
        #: Subject -> the sequence of what is shown.
        self._shown: dict[str, int] = {}
        self._begun = threading.Event()

    def begin(self, secret: str, api: Client) -> None:
        """List everything; what happens from here on comes by itself."""
        self._secret = secret
        self.things, cursor = api.everything()
        self.first = int(cursor) + 1
        self._begun.set()

    def await_all(self, last: int, *, seconds: float) -> None:
        """Wait until every event up to one has been taken."""
        deadline = time.monotonic() + seconds
        while missing := set(range(self.first, last + 1)) - self.ids.keys():
            assert time.monotonic() < deadline, sorted(missing)[:10]
            time.sleep(0.1)

    def answer(self, handler: Handler) -> None:
        """Take a delivery, or be unwell."""
        self._begun.wait()
        event = handler.got.verified(self._secret)
        with self._lock:
            sequence = int(event["sequence"])
            # A second time it is always taken: the third comes minutes later.
            chance = 100 if self.came[sequence] else self._random.randrange(100)
            self.came[sequence] += 1
            doing = "answered"
            if chance < REFUSED + UNANSWERED:
                doing = "refused" if chance < REFUSED else "unanswered"
            self.done[doing] += 1
            if doing != "refused" and sequence >= self.first:
                self.ids.setdefault(sequence, set()).add(handler.got.id)
                self._apply(sequence, event)
        if doing == "unanswered":
            with suppress(OSError):
                handler.connection.shutdown(socket.SHUT_RDWR)
        else:
            status(204 if doing == "answered" else 500)(handler)

    def _apply(self, sequence: int, event: Mapping[str, Any]) -> None:
        subject, resource = event["subject"], event["data"]["resource"]
        path, _, rest = subject.partition("/")
        if path not in LISTS or "/" in rest or sequence < self._shown.get(subject, 0):
            return
        self._shown[subject] = sequence
        if resource is None:
            self.things.pop(subject, None)
        else:
            self.things[subject] = told(path, resource)
