"""Clients of streams, thousands in one process: what each got, and when the last did.

    python -m tests.bench.stream_clients PORT TOKEN

Takes a command a line, and answers each with a line of JSON: `open SSE WEBSOCKETS`,
`stall SSE WEBSOCKETS` (which read nothing from then on), `seen`.
"""

import asyncio
import json
import re
import resource
import socket
import sys
import time
from typing import Any

HOST = "127.0.0.1"
#: Events are in ASCII here, so that nothing else in them looks like a ping.
READ = re.compile(
    rb'"sequence":"(?P<sequence>[0-9]{12})"|\x89\x04(?P<ping>.{4})', re.DOTALL
)
#: Longer than that, so that one in two pieces is found.
OVERLAP = 32
#: Connections that are opened at the same time.
AT_ONCE = 20
#: The window of who reads nothing.
WINDOW = 4_096
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
PONG = b"\x8a\x84\0\0\0\0"


def request(token: str, *, is_socket: bool) -> bytes:
    path = "ws" if is_socket else "stream"
    return (
        f"GET /api/v1/events/{path} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {token}\r\n{HANDSHAKE if is_socket else ''}\r\n"
    ).encode()


class Seen:
    """What came: sequence -> how often, and when last (time.monotonic)."""

    def __init__(self) -> None:
        self.times: dict[int, list[float]] = {}
        self.lost = 0

    def see(self, sequence: int) -> None:
        known = self.times.setdefault(sequence, [0, 0])
        known[0] += 1
        known[1] = time.monotonic()


class Client(asyncio.Protocol):
    """One that reads."""

    def __init__(self, sent: bytes, seen: Seen) -> None:
        self._sent, self._seen = sent, seen
        self.opened = asyncio.get_running_loop().create_future()
        self._rest = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._transport.write(self._sent)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.opened.set_result(data.split(b" ", 2)[1])
        joined = self._rest + data
        done = 0
        for found in READ.finditer(joined):
            done = found.end()
            if found["sequence"]:
                self._seen.see(int(found["sequence"]))
            else:
                self._transport.write(PONG + found["ping"])
        self._rest = joined[max(done, len(joined) - OVERLAP) :]

    def connection_lost(self, error: Exception | None) -> None:
        self._seen.lost += 1


def stalled(port: int, sent: bytes) -> socket.socket:
    """Return one that reads nothing."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
    client.connect((HOST, port))
    client.sendall(sent)
    return client


async def main(port: int, token: str) -> None:
    loop = asyncio.get_running_loop()
    seen, places = Seen(), asyncio.Semaphore(AT_ONCE)
    kept: list[socket.socket] = []

    async def open_one(sent: bytes) -> bytes:
        async with places:
            _, client = await loop.create_connection(
                lambda: Client(sent, seen), HOST, port
            )
            status: bytes = await client.opened
            return status

    while line := (await loop.run_in_executor(None, sys.stdin.readline)).split():
        word, *counts = line
        wanted = [
            request(token, is_socket=bool(number))
            for number, count in enumerate(counts)
            for _ in range(int(count))
        ]
        answer: Any
        if word == "open":
            statuses = await asyncio.gather(*map(open_one, wanted))
            answer = sorted({status.decode() for status in statuses})
        elif word == "stall":
            kept += [stalled(port, sent) for sent in wanted]
            answer = len(kept)
        else:
            answer = {"times": seen.times, "lost": seen.lost}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(int(sys.argv[1]), sys.argv[2]))
