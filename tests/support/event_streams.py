"""Clients of event streams, which block until what they wait for has come."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.support.serving import Service

STREAM = "/api/v1/events/stream"
SOCKET = "/api/v1/events/ws"


@dataclass(frozen=True, slots=True)
class Message:
    """One block of a stream: an event, or what only the stream itself says."""

    id: str = ""
    event: str = ""
    data: str = ""
    retry: str = ""
    comment: bool = False

    @property
    def body(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.data)
        return document


class Stream:
    """Server-sent events, as they come."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = {name.title(): value for name, value in response.getheaders()}

    def read(self) -> Message | None:
        """Return the next block; ``None``: the stream has ended."""
        fields: dict[str, Any] = {}
        while line := self._response.readline().decode():
            if line == "\n":
                return Message(**fields)
            name, _, value = line.rstrip("\n").partition(":")
            if name == "":
                fields["comment"] = True
            else:
                fields[name] = value.removeprefix(" ")
        return None

    def events(self, count: int) -> list[Message]:
        """Return the next events, without what comes between."""
        found: list[Message] = []
        while len(found) < count:
            message = self.read()
            assert message is not None, found
            if message.data:
                found.append(message)
        return found

    def problem(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self._response.read())
        return document


@contextmanager
def streaming(
    service: Service,
    query: str = "",
    *,
    token: str | None = None,
    timeout: float = 20,
    headers: Mapping[str, str] | None = None,
) -> Iterator[Stream]:
    """Open a stream for the time of the block; an empty token sends none."""
    token = service.token if token is None else token
    sent = {"Authorization": f"Bearer {token}"} if token else {}
    sent |= headers or {}
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=timeout)
    try:
        connection.request("GET", f"{STREAM}{query}", headers=sent)
        yield Stream(connection.getresponse())
    finally:
        connection.close()


@contextmanager
def socket(
    service: Service, query: str = "", *, token: str | None = None, **options: Any
) -> Iterator[ClientConnection]:
    """Open a WebSocket for the time of the block; an empty token sends none."""
    token = service.token if token is None else token
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    headers |= options.pop("headers", {})
    url = f"ws://127.0.0.1:{service.port}{SOCKET}{query}"
    with connect(url, additional_headers=headers, **options) as client:
        yield client


def received(client: ClientConnection, count: int) -> list[dict[str, Any]]:
    """Return the next events that come over a WebSocket."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        if text := client.recv(timeout=20):
            found.append(json.loads(text))
    return found


def closed(client: ClientConnection, *, timeout: float = 20) -> tuple[int, str]:
    """Return the code and the reason with which a WebSocket is closed."""
    with suppress(ConnectionClosed):
        while True:
            client.recv(timeout=timeout)
    close = client.protocol.close_rcvd
    assert close is not None
    return close.code, close.reason
