"""Clients without manners, over plain sockets, and how the others fare meanwhile."""

import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from tests.support.deployed import HOST

#: Seconds in which a healthy service answers on a machine that others use, too.
PROMPT = 1.0


def request(method: str, path: str, *headers: str) -> bytes:
    """Return the head of a request, as a proxy that speaks HTTPS would send it."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        "X-Forwarded-Proto: https",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def post(path: str, body: str, *headers: str, length: int | None = None) -> bytes:
    """Return a POST, of which the body may be shorter than its head says."""
    size = len(body) if length is None else length
    return request("POST", path, f"Content-Length: {size}", *headers) + body.encode()


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Return the code of a problem, which it must be."""
        assert self.headers["content-type"] == "application/problem+json", self
        code: str = self.document["code"]
        return code


@contextmanager
def connected(
    port: int, *, window: int | None = None, source: str = "127.0.0.1"
) -> Iterator[socket.socket]:
    """Yield a connection; with a window, of a client that takes no more than that."""
    with socket.socket() as client:
        client.bind((source, 0))
        if window is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        client.settimeout(30)
        client.connect(("127.0.0.1", port))
        yield client


@contextmanager
def many(
    count: int,
    port: int,
    sent: bytes,
    *,
    window: int | None = None,
    source: str = "127.0.0.1",
) -> Iterator[list[socket.socket]]:
    """Yield connections that have sent the same, and then nothing."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(connected(port, window=window, source=source))
            for _ in range(count)
        ]
        for client in clients:
            client.sendall(sent)
        yield clients


def answer(client: socket.socket) -> Answer:
    """Read one answer."""
    response = http.client.HTTPResponse(client)
    response.begin()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, response.read())


def answers(clients: Sequence[socket.socket], *, seconds: float) -> list[Answer]:
    """Read the answers of those that have one by then."""
    told, deadline = [], time.monotonic() + seconds
    for client in clients:
        client.settimeout(max(0.01, deadline - time.monotonic()))
        with suppress(TimeoutError):
            told.append(answer(client))
    return told


def send(port: int, sent: bytes, *, source: str = "127.0.0.1") -> Answer:
    """Send something on a connection of its own, and read the answer."""
    with connected(port, source=source) as client:
        client.sendall(sent)
        return answer(client)


@dataclass(slots=True)
class Watch:
    """Asks for /health, again and again, and remembers how long each answer took."""

    port: int
    seconds: list[float] = field(default_factory=list)

    @property
    def worst(self) -> float:
        return max(self.seconds)


@contextmanager
def watching(port: int) -> Iterator[Watch]:
    """Watch the health of a service for the time of the block."""
    watch, over = Watch(port), threading.Event()

    def look() -> None:
        while not over.is_set():
            begun = time.monotonic()
            assert send(port, request("GET", "/health")).status == 200
            watch.seconds.append(time.monotonic() - begun)
            over.wait(0.05)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield watch
    finally:
        over.set()
        thread.join()
