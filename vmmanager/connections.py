"""uvicorn's connections, of which none stays longer than somebody uses it.

For its options `--http` and `--ws`. What a client does not read is kept for it within
bounds, and a client that has gone, or reads nothing, is let go.
"""

import asyncio
import socket
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from compute.hangups import ABORT, WRITE

#: Seconds in which the head of a request arrives.
HEAD_SECONDS = 10.0
#: Seconds until a client is gone that takes nothing of what is sent to it.
SILENT_SECONDS = 30
#: Bytes that wait for a client here, and again as many in the kernel: thousands may be
#: slow at once.
MOST_WAITING = 16_384


class HTTP(HttpToolsProtocol):
    """A connection, which may become a WebSocket."""

    _head: asyncio.TimerHandle | None = None
    #: What is answered now; uvicorn itself knows only the newest of those it has read.
    _answering: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        transport.set_write_buffer_limits(MOST_WAITING)
        connection = transport.get_extra_info("socket")
        for name, value in (
            ("TCP_NOTSENT_LOWAT", MOST_WAITING),
            ("TCP_USER_TIMEOUT", SILENT_SECONDS * 1000),
        ):
            if hasattr(socket, name):  # not everywhere
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
        self._await_head()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: Any = {ABORT: self.transport.abort, WRITE: self._write_now}
        self.scope["extensions"] = extensions  # those of ours
        self._await_head()

    def on_headers_complete(self) -> None:
        self._forget_head()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)
        if self._answering is not None and not self._answering.response_complete:
            self._answering.disconnected = True
            self._answering.message_event.set()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, app)

    def _write_now(self, data: bytes) -> bool:
        if self.flow.write_paused or not _takes(self.transport, data):
            return False
        self.transport.write(data)
        return True

    def _await_head(self) -> None:
        if self._head is None:
            self._head = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _forget_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None


def _takes(transport: asyncio.Transport, data: bytes) -> bool:
    return len(data) <= MOST_WAITING and not transport.is_closing()


class WebSocket(WebSocketsSansIOProtocol):
    """A WebSocket, of which the client must take the answers to its pings."""

    async def run_asgi(self) -> None:
        extensions: Any = {ABORT: self.transport.abort, WRITE: self._write_now}
        self.scope["extensions"].update(extensions)
        await super().run_asgi()

    async def send(self, message: Any) -> None:
        # asyncio writes a line to the log for each of many messages to who has gone.
        if self.transport.is_closing():
            raise ClientDisconnected
        await super().send(message)

    def _write_now(self, data: bytes) -> bool:
        """Write whole frames of ours: nothing is compressed, so that none needs another."""
        if not self.writable.is_set() or not _takes(self.transport, data):
            return False
        self.transport.write(data)
        return True

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.transport.abort()
