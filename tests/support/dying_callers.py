"""A mock cloud whose callers die, without killing the process they are in."""

from collections.abc import Iterator
from contextlib import contextmanager

from providers.mock import MockCloud
from tests.support.passed_calls import pass_calls


class WorkerDied(BaseException):
    """The worker was killed here: nothing catches this, no line after it runs."""


class MortalCloud(MockCloud):
    """A `MockCloud` that kills its next caller when told to."""

    #: ``before`` or ``after`` the work of the next call; empty: nobody dies.
    doom: str = ""

    def __init__(self, *, path: str, delay: str = "1") -> None:
        super().__init__(path=path, delay=delay)
        pass_calls(self, self._kill)

    @contextmanager
    def _kill(self, call: str) -> Iterator[None]:
        doom, self.doom = self.doom, ""
        if doom == "before":
            raise WorkerDied(call)
        yield
        if doom == "after":
            raise WorkerDied(call)
