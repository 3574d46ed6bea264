"""What a request may weigh, decided before Django looks at it.

Django parses the Content-Type while it makes a request, under ASGI stores the whole body
before any middleware runs, and under WSGI reads it on a thread that others need. So
these stand between the server and Django. What they refuse goes on without its excess:
`ProblemMiddleware` answers it, with a request id and a line in the log like any other.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import Future
from functools import cached_property
from io import BytesIO
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from compute.api.problems import (
    HeaderTooLarge,
    PayloadTooLarge,
    RequestTimeout,
    URITooLong,
)
from compute.errors import Problem

#: Bytes of a path with its query, of any one header, and of all of them, names and all:
#: what nginx.conf allows.
MAX_TARGET = 8_000
MAX_HEADER = 8_192
MAX_HEADERS = 32_768
#: The standard library parses a Content-Type in quadratic time.
MAX_CONTENT_TYPE = 256
#: Seconds in which a body arrives that was sent with its headers or right behind them.
PROMPT_SECONDS = 0.1
#: Threads of a WSGI process that may wait for other bodies. A proxy in front sends whole
#: requests; without one, slow clients must not hold the threads of quick ones.
SLOW_BODIES = 1
#: Bytes of bodies that an ASGI process holds at once; no thread waits for them.
MAX_BUFFERED = 64 * 1_048_576

#: Where a refusal stands in the environ of WSGI and in the scope of ASGI.
REFUSED = "vmmanager.refused"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_slow_bodies = threading.BoundedSemaphore(SLOW_BODIES)


def refusal_of(request: HttpRequest) -> Problem | None:
    """Return why a request was refused on its way in, if it was."""
    problem: Problem | None = getattr(request, "scope", request.META).get(REFUSED)
    return problem


def _excess(
    target: int, headers: Iterable[tuple[str, int]], length: int | None
) -> Problem | None:
    """Return what is too much of a request, by the lengths of its parts."""
    if target > MAX_TARGET:
        return URITooLong(f"A path with its query has at most {MAX_TARGET} bytes.")
    total = 0
    for name, size in headers:
        limit = MAX_CONTENT_TYPE if name == "content-type" else MAX_HEADER
        if size > limit:
            return HeaderTooLarge(
                f"The header {name} has at most {limit} bytes.", header=name
            )
        total += len(name) + size + len(": \r\n")
    if total > MAX_HEADERS:
        return HeaderTooLarge(f"All headers together have at most {MAX_HEADERS} bytes.")
    return _excess_of_body(length or 0)


def _excess_of_body(length: int) -> Problem | None:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if length <= limit:
        return None
    return PayloadTooLarge(f"A body has at most {limit} bytes.")


def _number(text: str) -> int | None:
    """Return a Content-Length; of what is none, or too long to be one, nothing."""
    return int(text) if text.isdecimal() and len(text) < 20 else None


class WSGI:
    """Stands in front of a WSGI application of Django."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = _number(environ.get("CONTENT_LENGTH") or "")
        problem = _excess(
            len(environ.get("PATH_INFO", "")) + len(environ.get("QUERY_STRING", "")),
            (
                (key.removeprefix("HTTP_").replace("_", "-").lower(), len(value))
                for key, value in environ.items()
                if key.startswith("HTTP_") or key == "CONTENT_TYPE"
            ),
            length,
        )
        if problem is not None:
            environ = {**_without_excess(environ), REFUSED: problem}
        elif length:
            environ["wsgi.input"] = _Body(environ["wsgi.input"], length)
        return _whole(self.application(environ, start_response))


def _without_excess(environ: dict[str, Any]) -> dict[str, Any]:
    return {
        **{
            key: value
            for key, value in environ.items()
            if not isinstance(value, str) or len(value) <= MAX_CONTENT_TYPE
        },
        "PATH_INFO": environ.get("PATH_INFO", "")[:MAX_CONTENT_TYPE],
        "QUERY_STRING": "",
        "CONTENT_LENGTH": "",
        "wsgi.input": BytesIO(),
    }


def _whole(response: Any) -> Any:
    """Return an answer in one piece, as far as it has an end.

    Over anything but a list a server iterates on the request's own thread, which then
    waits for a client that reads slowly: of a script of Swagger UI, for example.
    """
    endless = isinstance(response, StreamingHttpResponse) and not isinstance(
        response, FileResponse
    )
    if endless or not isinstance(response, HttpResponseBase):
        return response
    try:
        return [b"".join(response)]
    finally:
        response.close()


class _Body:
    """A ``wsgi.input`` that arrives as a whole and in time, or raises an OSError."""

    def __init__(self, stream: Any, length: int) -> None:
        self._stream = stream
        self._length = length

    def read(self, size: int = -1) -> bytes:
        return self._whole.read(size)

    def readline(self, size: int = -1) -> bytes:
        return self._whole.readline(size)

    @cached_property
    def _whole(self) -> BytesIO:
        deadline = time.monotonic() + settings.BODY_TIMEOUT_SECONDS
        body = self._receive(deadline)
        if len(body) < self._length:
            raise ConnectionError("The body did not arrive whole.")
        return BytesIO(body)

    def _receive(self, deadline: float) -> bytes:
        # The server's own read cannot be interrupted, so a thread that nobody needs
        # makes it. It ends when the client has sent the rest, or is gone.
        arrival: Future[bytes] = Future()
        threading.Thread(target=self._read, args=(arrival,), daemon=True).start()
        try:
            return arrival.result(PROMPT_SECONDS)
        except TimeoutError:
            if not _slow_bodies.acquire(blocking=False):
                raise
        try:
            return arrival.result(deadline - time.monotonic())
        finally:
            _slow_bodies.release()

    def _read(self, arrival: Future[bytes]) -> None:
        try:
            arrival.set_result(self._stream.read(self._length))
        except Exception as error:  # for who waits, whatever it is
            arrival.set_exception(error)


class ASGI:
    """Stands in front of an ASGI application of Django."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self.application = application
        self._buffered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        body = bytearray()
        try:
            problem = _excess_of_scope(scope) or await self._fill(body, receive)
            if problem is not None:
                scope = {**scope, **_scope_without_excess(scope), REFUSED: problem}
                self._buffered -= len(body)
                body.clear()
            await self.application(scope, _handed_over(body, receive), send)
        except _Gone:
            return
        finally:
            self._buffered -= len(body)

    async def _fill(self, body: bytearray, receive: Receive) -> Problem | None:
        """Receive a body; return why it is not taken, if it is not."""
        try:
            async with asyncio.timeout(settings.BODY_TIMEOUT_SECONDS):
                more = True
                while more:
                    chunk, more = await _chunk(receive)
                    if problem := self._excess_of(len(body), len(chunk)):
                        return problem
                    self._buffered += len(chunk)
                    body += chunk
        except TimeoutError:
            return RequestTimeout("The body did not arrive in time.")
        return None

    def _excess_of(self, received: int, more: int) -> Problem | None:
        if self._buffered + more > MAX_BUFFERED:
            return RequestTimeout("Too many bodies are on their way.")
        return _excess_of_body(received + more)


class _Gone(Exception):
    """The client has hung up."""


async def _chunk(receive: Receive) -> tuple[bytes, bool]:
    message = await receive()
    if message["type"] == "http.disconnect":
        raise _Gone
    return message.get("body", b""), message.get("more_body", False)


def _excess_of_scope(scope: Scope) -> Problem | None:
    headers = [(name.decode("latin-1"), value) for name, value in scope["headers"]]
    length = dict(headers).get("content-length", b"").decode("latin-1")
    return _excess(
        len(scope["path"]) + len(scope["query_string"]),
        ((name, len(value)) for name, value in headers),
        _number(length),
    )


def _scope_without_excess(scope: Scope) -> Scope:
    return {
        "path": scope["path"][:MAX_CONTENT_TYPE],
        "query_string": b"",
        "headers": [
            (name, value)
            for name, value in scope["headers"]
            if len(value) <= MAX_CONTENT_TYPE and name != b"content-length"
        ],
    }


def _handed_over(body: bytearray, receive: Receive) -> Receive:
    """Return a `receive` that gives the body, then tells when the client hangs up."""
    whole = {"type": "http.request", "body": bytes(body), "more_body": False}
    messages: Iterator[Message] = iter([whole])

    async def handed_over() -> Message:
        for message in messages:
            return message
        # The rest of a refused body is not kept.
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return handed_over
