"""Receivers of webhooks: HTTP servers that note what they get, and answer as told."""

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook


@dataclass(frozen=True, slots=True)
class Got:
    """A request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """Return the event, as a receiver that trusts nobody reads it."""
        return Webhook(secret).verify(self.body, self.headers)


#: Writes the answer, of which nothing has been sent yet.
Answering = Callable[["Handler"], None]


def status(code: int, body: bytes = b"", **headers: str) -> Answering:
    """Answer with a status; ``Retry_After="5"`` becomes that header."""

    def answer(handler: "Handler") -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@dataclass
class Receiver:
    url: str
    answer: Answering
    got: list[Got] = field(default_factory=list)
    #: Set when the receiver is closed: what hangs ends then.
    closed: threading.Event = field(default_factory=threading.Event)

    @property
    def port(self) -> int:
        return int(self.url.split(":")[2].split("/")[0])

    def hang(self, handler: "Handler") -> None:
        """Answer nothing."""
        self.closed.wait(60)


class Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    #: What it is to answer.
    got: Got

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        # As a list of pairs would, two of one name would be seen.
        headers = {name.lower(): value for name, value in self.headers.items()}
        assert len(headers) == len(self.headers.items())
        self.got = Got(self.path, headers, body)
        self.receiver.got.append(self.got)
        self.receiver.answer(self)

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients of these tests hang up."""


@contextmanager
def receiving(
    answer: Answering | None = None, *, context: ssl.SSLContext | None = None
) -> Iterator[Receiver]:
    """Receive for the time of the block; with a context by TLS."""
    scheme = "https" if context else "http"

    class OwnHandler(Handler):
        pass

    with _Server(("127.0.0.1", 0), OwnHandler) as server:
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"{scheme}://127.0.0.1:{server.server_address[1]}/hooks"
        receiver = OwnHandler.receiver = Receiver(url, answer or status(204))
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver.closed.set()
            server.shutdown()
            thread.join()
