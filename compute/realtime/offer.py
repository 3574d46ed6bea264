"""Offer: hands a request to Django, which may give back the stream that it lets in."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

from compute.hangups import ABORT, WRITE
from compute.services import streams
from compute.services.streams import OFFER, Stream

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def abort_of(scope: Scope) -> Callable[[], object]:
    """Return what drops a connection; of a server that keeps no client waiting, nothing."""
    abort: Callable[[], object] = scope.get("extensions", {}).get(ABORT, lambda: None)
    return abort


def write_of(scope: Scope) -> Callable[[bytes], bool]:
    """Return what writes to a connection at once; of other servers it never does."""
    extensions = scope.get("extensions", {})
    write: Callable[[bytes], bool] = extensions.get(WRITE, lambda data: False)
    return write


def no_body() -> Receive:
    """Return a `receive` of an empty body; a client that leaves is seen later."""
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"", "more_body": False}]
    )

    async def receive() -> Message:
        for message in messages:
            return message
        # Whoever asks on waits, as on a connection where nothing more comes.
        nothing: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await nothing

    return receive


async def in_own_task(
    django: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Have Django answer a request.

    All that it keeps in the context of its task, a thread too, ends with that task; in
    the caller's it would stay for as long as a stream, or a wait.
    """
    answering = django(scope, receive, send)
    await asyncio.ensure_future(answering)


class Offer:
    """Lies in the scope of a request that may become a stream."""

    __slots__ = ("_lock", "_over", "is_socket", "stream")

    def __init__(self, *, is_socket: bool) -> None:
        self.is_socket = is_socket
        #: What was let in, which has a place.
        self.stream: Stream | None = None
        self._lock = threading.Lock()
        self._over = False

    def take(self, stream: Stream) -> None:
        """Take a place for a stream, or raise RateLimited; called by its view.

        That has a thread, which goes on when its client hangs up: then nobody is left to
        give a place back.
        """
        with self._lock:
            if not self._over:
                streams.enter(stream)
                self.stream = stream

    def end(self) -> None:
        """Give its place back."""
        with self._lock:
            self._over = True
            if self.stream is not None:
                streams.leave(self.stream)

    async def make(
        self, django: Application, scope: Scope, receive: Receive, send: Send
    ) -> Stream | None:
        """Have Django answer a request; return the stream that it lets in."""
        await in_own_task(django, {**scope, OFFER: self}, receive, send)
        return self.stream
