"""Work: what one type of operation asks of its noun, and what became of a look at it.

`compute.works` lists one value per type and `compute.apps` installs the list: services
know the engine, and the engine knows them by this list alone.
"""

from collections.abc import Callable, Iterable, Mapping, Sized
from dataclasses import dataclass
from datetime import datetime
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
    #: What it waits for, for people.
    step: str = ""


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
    #: In whose listings it shows: OpenStack's type of service.
    service: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What passes over one service of a cloud list, and what follows from it."""

    #: OpenStack's type of service.
    service: str
    #: List everything, or what has changed since; whatever a pass began with. Raises
    #: ProviderError rather than return a part.
    list: Callable[[str, datetime, datetime | None], Sized]
    #: Take over what was changed outside, by the cloud's alias and the listing.
    follow: Callable[[str, Any], None]
    #: Whether the service tells what has changed since; else everything is listed.
    lists_changes: bool = True
    #: Whether it is listed as often as operations that live need it; else now and then.
    is_followed: bool = True


_works: Mapping[str, Work] = {}
_watches: Mapping[str, Watch] = {}


def install(works: Mapping[str, Work], watches: Iterable[Watch]) -> None:
    """Set what is done for each type of operation, and watched in each service."""
    global _works, _watches  # the lists are process-wide by nature
    _works = works
    _watches = {watch.service: watch for watch in watches}


def services() -> tuple[str, ...]:
    """Return the services of a cloud that are watched."""
    return tuple(_watches)


def watch(service: str) -> Watch:
    """Return what is watched in a service."""
    return _watches[service]


def types_in(service: str) -> list[str]:
    """Return the types of operations that show in the listings of a service."""
    return [type for type, work in _works.items() if work.service == service]


def of(operation: Operation) -> Work:
    """Return how an operation is done."""
    return of_type(operation.type)


def of_type(type: str) -> Work:
    """Return how operations of a type are done."""
    return _works[type]
