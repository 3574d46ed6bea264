"""A driver whose process dies at a call, before it is sent or when it was answered."""

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.openstack import OpenStackCloud
from tests.support.passed_calls import pass_calls


class MortalCloud(OpenStackCloud):
    """An `OpenStackCloud` that may die.

    Options: ``die``, ``before CALL`` or ``after CALL``, and which of these calls is
    meant if not the first; ``trace``, a file that the name of every call is added to.
    """

    def __init__(self, *, die: str = "", trace: str, **options: str) -> None:
        self._when, self._fatal, count = (*die.split(), "1")[:3] if die else ("", "", 0)
        self._count = int(count)
        self._trace = Path(trace)
        self._called: Counter[str] = Counter()
        super().__init__(**options)
        pass_calls(self, self._may_die)

    @contextmanager
    def _may_die(self, call: str) -> Iterator[None]:
        self._called[call] += 1
        with self._trace.open("a") as file:
            file.write(f"{call}\n")
        dies = (call, self._called[call]) == (self._fatal, self._count)
        if dies and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            yield
        finally:  # a refusal is an answer, too: a server may be gone by now
            if dies:
                os.kill(os.getpid(), signal.SIGKILL)
