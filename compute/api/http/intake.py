"""What a request may weigh, decided before Django looks at it.

Django parses the Content-Type while it makes a request, under ASGI stores the whole body
before any middleware runs, and under WSGI reads it on a thread that others need. So
these stand between the server and Django. What they refuse goes on without its excess:
`ProblemMiddleware` answers it, with a request id and a line in the log like any other.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from io import BytesIO
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase

from compute.addresses import network_of
from compute.api.http.problems import (
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
#: Seconds that others wait when as many threads of a WSGI process as may read bodies
#: (MAX_BODY_READERS) do. What was sent with its headers, as a proxy does, is read in no
#: time.
READER_SECONDS = 0.1
#: Bytes of bodies that an ASGI process holds at once; no thread waits for them there.
MAX_BUFFERED = 64 * 1_048_576

#: The key of a refusal in the environ of WSGI and in the scope of ASGI.
REFUSED = "vmmanager.refused"

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


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
    # One that is sent again is one header: Django joins them.
    sizes: dict[str, int] = {}
    total = 0
    for name, size in headers:
        sizes[name] = whole = sizes.get(name, 0) + size
        limit = MAX_CONTENT_TYPE if name == "content-type" else MAX_HEADER
        if whole > limit:
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


def _is_large(target: int, sizes: Iterable[tuple[str, int]]) -> bool:
    """Whether a request is larger than any part of it may be: most are not."""
    return target + sum(len(name) + size for name, size in sizes) > MAX_TARGET


def _number(text: str) -> int | None:
    """Return a Content-Length; ``None`` for anything else, or one that is too long."""
    return int(text) if text.isdecimal() and len(text) < 20 else None


class WSGI:
    """Stands in front of a WSGI application of Django."""

    def __init__(self, application: Callable[..., Any]) -> None:
        self.application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        length = _number(environ.get("CONTENT_LENGTH") or "")
        target = len(environ.get("PATH_INFO", "")) + len(
            environ.get("QUERY_STRING", "")
        )
        sizes = [
            (key, len(value)) for key, value in environ.items() if key[:5] == "HTTP_"
        ]
        problem = None
        if length or environ.get("CONTENT_TYPE") or _is_large(target, sizes):
            sizes.append(("CONTENT_TYPE", len(environ.get("CONTENT_TYPE") or "")))
            headers = (
                (key.removeprefix("HTTP_").replace("_", "-").lower(), size)
                for key, size in sizes
            )
            problem = _excess(target, headers, length)
        if problem is not None:
            environ = {**_without_excess(environ), REFUSED: problem}
        elif length:
            environ["wsgi.input"] = _Body(environ, length)
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
    """A ``wsgi.input`` that is read as a whole, on one of few threads, or not at all.

    A thread that reads cannot be called back, not even by another one (granian holds the
    body's lock, and waits for it at the end of the request): for as long as the client
    is silent it is lost. So there may be few such threads, and one for each network.
    """

    _client = ""

    def __init__(self, environ: dict[str, Any], length: int) -> None:
        self._stream = environ["wsgi.input"]
        self._length = length
        with suppress(ValueError):  # of a Unix socket it is no address
            self._client = network_of(environ.get("REMOTE_ADDR"))
        self._whole: BytesIO | None = None
        #: Why there is none. Django tries again, for an error page.
        self._failure: OSError | None = None

    def read(self, size: int = -1) -> bytes:
        return self._arrived().read(size)

    def readline(self, size: int = -1) -> bytes:
        return self._arrived().readline(size)

    def _arrived(self) -> BytesIO:
        if self._failure is not None:
            raise self._failure
        if self._whole is None:
            try:
                self._whole = self._read()
            except OSError as error:
                self._failure = error
                raise
        return self._whole

    def _read(self) -> BytesIO:
        with _readers.one(self._client):
            body = self._stream.read(self._length)
        if len(body) < self._length:
            raise ConnectionError("The body arrived incomplete.")
        return BytesIO(body)


class _Readers:
    """The threads of a process that read bodies now."""

    def __init__(self) -> None:
        self._clients: set[str] = set()
        self._changed = threading.Condition()

    @contextmanager
    def one(self, client: str) -> Iterator[None]:
        """Let one more read, or raise a TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._has_room(client), timeout=READER_SECONDS
            ):
                raise TimeoutError("Too many other bodies are still arriving.")
            self._clients.add(client)
        try:
            yield
        finally:
            with self._changed:
                self._clients.remove(client)
                self._changed.notify_all()

    def _has_room(self, client: str) -> bool:
        return (
            len(self._clients) < settings.MAX_BODY_READERS
            and client not in self._clients
        )


_readers = _Readers()


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
            return RequestTimeout("Too many bodies are still arriving.")
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
    sizes: Counter[bytes] = Counter()
    for name, value in scope["headers"]:
        sizes[name] += len(value)
    return {
        "path": scope["path"][:MAX_CONTENT_TYPE],
        "query_string": b"",
        "headers": [
            (name, value)
            for name, value in scope["headers"]
            if sizes[name] <= MAX_CONTENT_TYPE and name != b"content-length"
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
