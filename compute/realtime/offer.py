"""Offer: hands a request to Django, which may give back the stream that it lets in."""

from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from compute.hangups import ABORT
from compute.services import streams
from compute.services.streams import OFFER, Stream

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def abort_of(scope: Scope) -> Callable[[], object]:
    """Return what drops a connection; of a server that keeps no client waiting, nothing."""
    abort: Callable[[], object] = scope.get("extensions", {}).get(ABORT, _leave)
    return abort


def _leave() -> None:
    """Do nothing."""


@dataclass(slots=True)
class Offer:
    """Lies in the scope of a request that may become a stream."""

    is_socket: bool
    #: Set by the view, which has taken a place for it.
    stream: Stream | None = None


@contextmanager
def offered(scope: Scope, *, is_socket: bool) -> Iterator[tuple[Offer, Scope]]:
    """Yield an offer, and the scope with it; the place is given back after the block."""
    offer = Offer(is_socket)
    try:
        yield offer, {**scope, OFFER: offer}
    finally:
        if offer.stream is not None:
            streams.leave(offer.stream)
