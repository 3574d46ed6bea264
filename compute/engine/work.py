"""Work: what one type of operation asks of its noun, and what became of a look at it.

`compute.works` lists one value per type and `compute.apps` installs the list: services
know the engine, and the engine knows them by this list alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from compute.errors import Problem
from compute.models.operation import Operation
from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound

# What became of one look at an operation


@dataclass(frozen=True, slots=True)
class Waiting:
    """The cloud works on it."""

    step: str
    progress: int = 50


@dataclass(frozen=True, slots=True)
class Again:
    """A worker shall look at it once more, in ``after`` seconds."""

    after: float = 0.0
    #: Because a call failed: counts towards giving up.
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """It succeeded. ``status`` is where its target rests, if that is known."""

    status: str | None = None
    #: What the cloud showed of the target.
    seen: object = None


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed. ``status`` is where its target rests now, if that is known."""

    problem: Problem
    status: str | None = None
    #: What the cloud showed of the target.
    seen: object = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """It was undone as asked."""


End = Done | Failed | Cancelled
Answer = Waiting | Again | End

# What the engine asks of a noun

Perform = Callable[[Operation, Cloud], Answer]
#: Takes what a pass has listed, in the form that the services of its nouns agree on.
Look = Callable[[Operation, Any], Answer | None]
Settle = Callable[[Operation, End], None]
Refused = Callable[[Operation, Cloud, Conflict | NotFound], Answer]
Lock = Callable[[Operation], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """How one type of operation is done, followed and ended."""

    #: Bring it one step further in the cloud. Safe to run twice, and to be killed at
    #: any line: it reads before it acts.
    perform: Perform
    #: Read from a listing how far the cloud has come; ``None``: it does not show.
    look: Look | None = None
    #: End it by `queue.close`, and bring its target to rest in the same transaction.
    #: Finds out where that is, if a failure does not say.
    settle: Settle
    #: Say what it means that the cloud refused a call, or knows no such thing. Without
    #: it that is a failure like any other.
    refused: Refused | None = None
    #: Lock what it is about, to the end of the transaction: the first lock of all, so
    #: that no two requests wait for each other.
    lock: Lock
    #: Whether it can be cancelled once a worker has begun.
    undoable: bool = False


_works: Mapping[str, Work] = {}


def install(works: Mapping[str, Work]) -> None:
    """Set what is done for each type of operation."""
    global _works  # the list is process-wide by nature
    _works = works


def of(operation: Operation) -> Work:
    """Return how an operation is done."""
    return of_type(operation.type)


def of_type(type: str) -> Work:
    """Return how operations of a type are done."""
    return _works[type]
