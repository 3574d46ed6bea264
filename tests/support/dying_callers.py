"""A mock cloud whose callers die, without killing the process they are in."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from providers.mock import MockProvider
from providers.mock.world.faults import Call


class WorkerDied(BaseException):
    """The worker was killed here: nothing catches this, no line after it runs."""


class MortalProvider(MockProvider):
    """A `MockProvider` that kills its next caller when told to."""

    #: ``before`` or ``after`` the work of the next call; empty: nobody dies.
    doom: str = ""

    @contextmanager
    def _call(self, op: str, **about: Any) -> Iterator[Call]:
        doom, self.doom = self.doom, ""
        if doom == "before":
            raise WorkerDied(op)
        with super()._call(op, **about) as call:
            yield call
        if doom == "after":
            raise WorkerDied(op)
