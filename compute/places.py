"""Places for calls that hold a thread while they wait for something else."""

import math
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings


class Places:
    """So many places as a setting says; of each kind of caller at most half of them.

    So one principal, or one cloud that hangs, leaves room for the others. A caller
    that finds no place is told so at once: it must not queue, or it would hold a thread
    all the same.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
        self._lock = threading.Lock()
        self._taken = 0
        self._taken_by: Counter[str] = Counter()

    @contextmanager
    def one(self, *kinds: str) -> Iterator[bool]:
        """Yield whether there is a place; it is free again after the block."""
        admitted = self.enter(*kinds)
        try:
            yield admitted
        finally:
            if admitted:
                self.leave(*kinds)

    def enter(self, *kinds: str) -> bool:
        """Take a place; say whether there was one. Who got it leaves it with `leave`."""
        total: int = getattr(settings, self._setting)
        each = math.ceil(total / 2)
        with self._lock:
            if self._taken >= total or any(self._taken_by[k] >= each for k in kinds):
                return False
            self._taken += 1
            self._taken_by.update(kinds)
        return True

    def leave(self, *kinds: str) -> None:
        with self._lock:
            self._taken -= 1
            self._taken_by.subtract(kinds)
            for kind in kinds:
                if not self._taken_by[kind]:
                    del self._taken_by[kind]


#: Requests that wait for something outside: a cloud's answer, an address of a name.
reads = Places("API_MAX_CLOUD_READS")
