"""Mirrors of a project, each by another way to read its log.

One lists everything, takes the `Event-Cursor` of its first page, and follows from there:
by server-sent events, by WebSocket, or by lists that wait.
"""

import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

#: What a project has, as the API lists it.
LISTS = (
    *("vms", "snapshots", "keypairs", "networks", "subnets", "routers"),
    *("floating-ips", "security-groups", "security-group-rules", "operations"),
    *("api-tokens", "projects"),
)
#: Fields that change by no event, or are those of who asks.
UNTOLD: Mapping[str, frozenset[str]] = {
    "vms": frozenset({"observed_at"}),
    "security-groups": frozenset({"vms"}),
    "api-tokens": frozenset({"last_used_at"}),
    "projects": frozenset({"role"}),
}
#: What a mirror survives: all that a cut may look like.
CUT = (OSError, http.client.HTTPException, WebSocketException, EOFError)

#: Subject -> what GET shows of it.
Things = dict[str, dict[str, Any]]


class Client:
    """Asks the API, over a connection for each request."""

    def __init__(self, port: int, token: str) -> None:
        self.port = port
        self.headers = {"Authorization": f"Bearer {token}"}

    def get(
        self, path: str, query: Mapping[str, Any], **headers: str
    ) -> tuple[dict[str, Any], str]:
        """Return a document and its `Event-Cursor`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with closing(connection):
            url = f"/api/v1/{path}?{urlencode(query)}"
            connection.request("GET", url, headers={**self.headers, **headers})
            response = connection.getresponse()
            text = response.read()
        if "Content-Length" not in response.headers:
            raise http.client.IncompleteRead(text)  # it was cut off in its head
        assert response.status == 200, text
        return json.loads(text), response.headers["Event-Cursor"] or ""

    def everything(self) -> tuple[Things, str]:
        """Return all there is, and the cursor of the first page of it."""
        things: Things = {}
        cursor = ""
        for path in LISTS:
            query = {"per_page": "100", "cursor": ""}
            while query:
                document, at = self.get(path, query)
                cursor = cursor or at
                for row in document["results"]:
                    if row.get("project", "") is not None:  # and not the cloud's own
                        things[f"{path}/{row['id']}"] = told(path, row)
                query = _query_of(document["next"])
        return things, cursor


def told(path: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a thing an event tells."""
    untold = UNTOLD.get(path, frozenset())
    return {name: value for name, value in row.items() if name not in untold}


def _query_of(url: str | None) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)) if url else {}


class Mirror:
    """Follows a log in a thread of its own, until it has come to some event."""

    def __init__(
        self, api: Client, client: Client, follow: "Callable[[Mirror], object]"
    ) -> None:
        #: What it lists from, and what it follows by.
        self.api, self.client = api, client
        self._follow = follow
        self.things: Things = {}
        #: Of the last event that was applied.
        self.cursor = ""
        #: Where it began.
        self.first = 0
        self.sequences: list[int] = []
        #: Reads that ended, for whatever reason.
        self.ended = 0
        self.failure: BaseException | None = None
        #: What it reads from now.
        self.connection: socket.socket | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self, last: int, *, seconds: float) -> None:
        """Wait until it has come to an event, and end it."""
        deadline = time.monotonic() + seconds
        while int(self.cursor or "0") < last and self.failure is None:
            assert time.monotonic() < deadline, (self.cursor, last)
            time.sleep(0.05)
        self._over.set()
        if self.connection is not None:
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        if self.failure is not None:
            raise self.failure

    def apply(self, event: Mapping[str, Any]) -> None:
        """Take over what an event tells, unless something newer is known."""
        self.cursor = event["sequence"]
        self.sequences.append(int(self.cursor))
        subject, resource = event["subject"], event["data"]["resource"]
        path, _, rest = subject.partition("/")
        if path not in LISTS or "/" in rest:
            return  # no list has it
        if resource is None:
            self.things.pop(subject, None)
            return
        known = self.things.get(subject, {}).get("version") or 0
        assert (resource.get("version") or 0) >= (event["data"]["version"] or 0), event
        if (resource.get("version") or 0) >= known:
            self.things[subject] = told(path, resource)

    def _run(self) -> None:
        try:
            self.things, self.cursor = self.api.everything()
            self.first = int(self.cursor) + 1
            while not self._over.is_set():
                with suppress(*CUT):
                    self._follow(self)
                self.ended += 1
                self._over.wait(0.05)
        except BaseException as error:
            self.failure = error


def by_sse(mirror: Mirror) -> None:
    """Read one stream, from where the mirror is, until it ends."""
    client = mirror.client
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=20)
    with closing(connection):
        headers = {**client.headers, "Last-Event-ID": mirror.cursor}
        connection.request("GET", "/api/v1/events/stream", headers=headers)
        mirror.connection = connection.sock
        response = connection.getresponse()
        assert response.status == 200, response.read()
        data = b""
        while line := response.readline():
            if line == b"\n" and data:
                mirror.apply(json.loads(data))
                data = b""
            elif line.startswith(b"data: "):
                data = line.removeprefix(b"data: ")


def by_socket(mirror: Mirror) -> None:
    """Read one WebSocket until it ends."""
    client = mirror.client
    url = f"ws://127.0.0.1:{client.port}/api/v1/events/ws?after={mirror.cursor}"
    with connect(
        url, additional_headers=client.headers, proxy=None, close_timeout=0.1
    ) as stream:
        mirror.connection = stream.socket
        for text in stream:
            if text:
                mirror.apply(json.loads(text))


def by_list(mirror: Mirror) -> None:
    """Read one list."""
    query = {"after": mirror.cursor, "per_page": "100"}
    document, cursor = mirror.client.get("events", query, Prefer="wait=2")
    for event in document["results"]:
        mirror.apply(event)
    assert int(cursor) >= int(mirror.cursor)
    mirror.cursor = cursor
