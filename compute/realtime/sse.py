"""Server-sent events: Django decides whether there is a stream, this writes it.

Django keeps a thread for each request; a stream that it has let in holds none.
"""

import asyncio
import random
from collections.abc import Iterator, Sequence

import orjson

from compute.realtime.frames import Frame
from compute.realtime.hub import hub
from compute.realtime.listener import GONE, STOPPED, End, Ended, Listener
from compute.realtime.offer import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    abort_of,
    offered,
)

#: Milliseconds until a client reconnects; when a server stops some wait this much longer.
RETRY = 3_000
SPREAD = 5_000
#: Bytes that are written before it is seen whether the client reads them.
MOST_AT_ONCE = 32_768


async def serve(
    django: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request for a stream."""
    start: list[Message] = []

    async def keep(message: Message) -> None:
        """Keep the headers of a stream; pass on all that is none."""
        if offer.stream is None:
            await send(message)
        elif message["type"] == "http.response.start":
            start.append(message)

    with offered(scope, is_socket=False) as (offer, scope):
        await django(scope, receive, keep)
        if offer.stream is None:
            return
        (head,) = start
        # It has no end.
        head["headers"] = [
            pair for pair in head["headers"] if pair[0].lower() != b"content-length"
        ]
        await send(head)
        with hub.listening(offer.stream, abort_of(scope)) as listener:
            watcher = asyncio.create_task(_watch(receive, listener))
            try:
                await _write(listener, send)
            finally:
                watcher.cancel()


async def _watch(receive: Receive, listener: Listener) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end(GONE)


async def _write(listener: Listener, send: Send) -> None:
    async def write(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    # With the cursor, so that who reconnects before the first event misses none.
    told = listener.cursor
    await write(b"retry: %d\nid: %012d\n\n" % (RETRY, told))
    try:
        while True:
            if frames := await listener.next():
                for piece in _pieces(frames):
                    await write(piece)
                told = frames[-1].sequence
            elif listener.cursor > told:
                # What was passed over need not be looked at again.
                told = listener.cursor
                await write(b"id: %012d\n:\n\n" % told)
            else:
                await write(b":\n\n")
    except Ended as ended:
        if data := _last(ended.end):
            await write(data)
    await send({"type": "http.response.body", "body": b""})


def _pieces(frames: Sequence[Frame]) -> Iterator[bytes]:
    """Yield events as they are written: few pieces, of which each can be waited for."""
    piece: list[bytes] = []
    size = 0
    for frame in frames:
        piece.append(frame.event)
        size += len(frame.event)
        if size > MOST_AT_ONCE:
            yield b"".join(piece)
            piece, size = [], 0
    if piece:
        yield b"".join(piece)


def _last(end: End) -> bytes:
    if end is STOPPED:
        # Not all at the same moment.
        return b"retry: %d\n\n" % (RETRY + random.randrange(SPREAD))  # noqa: S311  # no secret
    if end.problem is not None:
        return b"event: end\ndata: %s\n\n" % orjson.dumps(end.problem.document())
    return b""
