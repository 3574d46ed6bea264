"""WebSocket: the same events with the same cursor, a text message for each."""

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson

from compute.realtime.frames import Frame
from compute.realtime.hub import hub
from compute.realtime.listener import GONE, STOPPED, End, Ended, Listener
from compute.realtime.offer import (
    Application,
    Message,
    Offer,
    Receive,
    Scope,
    Send,
    abort_of,
    no_body,
    write_of,
)

#: The subprotocol, for clients that must name one to send their key as another:
#: `events.v1, bearer.KEY`.
PROTOCOL = "events.v1"
_KEY = "bearer."
#: Of the handshake: a request of HTTP has none of them.
_HANDSHAKE = (b"connection", b"upgrade", b"sec-websocket-")
UNSUPPORTED = End(4400, "this stream takes no messages")


async def serve(
    django: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a handshake, and send events for as long as the socket is open.

    Who is refused gets the reason as a close code, 4000 and the status that HTTP would
    have: a browser shows its page nothing else.
    """
    if (await receive())["type"] != "websocket.connect":
        return
    offer = Offer(is_socket=True)
    try:
        answer = _Answer()
        stream = await offer.make(django, _as_http(scope), no_body(), answer.take)
        protocol = PROTOCOL if PROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": protocol})
        if stream is None:
            await _close(send, answer.refusal())
        else:
            await hub.follow(
                stream,
                abort=abort_of(scope),
                write_now=partial(_write_now, write_of(scope)),
                watch=partial(_watch, receive),
                write=partial(_write, send),
            )
    finally:
        offer.end()


async def _watch(receive: Receive, listener: Listener) -> None:
    message = await receive()
    listener.end(GONE if message["type"] == "websocket.disconnect" else UNSUPPORTED)


def _write_now(write: Callable[[bytes], bool], frames: Sequence[Frame]) -> bool:
    return write(b"".join([frame.message for frame in frames]))


async def _write(send: Send, listener: Listener) -> None:
    try:
        while True:
            # An empty message is the sign of life: proxies close what is silent.
            texts = [frame.text for frame in await listener.next()] or [""]
            for text in texts:
                await send({"type": "websocket.send", "text": text})
    except Ended as ended:
        if ended.end is not GONE:
            await _close(send, ended.end)


async def _close(send: Send, end: End) -> None:
    reason = end.reason
    if end is STOPPED:
        # Not all at the same moment.
        reason = f"{reason}: reconnect in {random.uniform(0.5, 5):.1f} s"  # noqa: S311  # no secret
    await send({"type": "websocket.close", "code": end.code, "reason": reason})


class _Answer:
    """What Django answers to the handshake."""

    def __init__(self) -> None:
        self._status = 500
        self._body = b""

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
        else:
            self._body += message.get("body", b"")

    def refusal(self) -> End:
        try:
            code = str(orjson.loads(self._body)["code"])
        except (orjson.JSONDecodeError, KeyError, TypeError):
            code = "refused"
        return End(4000 + self._status, code)


def _as_http(scope: Scope) -> Scope:
    """Return a GET with the same key, which Django answers as any other."""
    headers = [pair for pair in scope["headers"] if not pair[0].startswith(_HANDSHAKE)]
    for protocol in scope.get("subprotocols", ()):
        if protocol.startswith(_KEY):
            key = protocol.removeprefix(_KEY).encode()
            headers.append((b"authorization", b"Bearer " + key))
    scheme = "https" if scope.get("scheme") == "wss" else "http"
    http: dict[str, Any] = {"type": "http", "method": "GET", "scheme": scheme}
    return {**scope, **http, "headers": headers}
