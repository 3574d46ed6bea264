"""Server-sent events: Django decides whether there is a stream, this writes it.

Django keeps a thread for each request; a stream that it has let in holds none.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

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
    write_of,
)

#: Milliseconds until a client reconnects; when a server stops some wait this much longer.
RETRY = 3_000
SPREAD = 5_000
#: Bytes that are written before it is seen whether the client reads them.
MOST_AT_ONCE = 32_768
_LENGTH = b"content-length"


async def serve(
    django: Application, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer a request for a stream."""
    offer = Offer(is_socket=False)

    async def take(message: Message) -> None:
        """Pass on what Django answers; of a stream the head, without an end."""
        if offer.stream is None:
            await send(message)
        elif message["type"] == "http.response.start":
            headers = [h for h in message["headers"] if h[0].lower() != _LENGTH]
            await send({**message, "headers": headers})

    try:
        stream = await offer.make(django, scope, receive, take)
        if stream is not None:
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
    while (await receive())["type"] != "http.disconnect":
        pass
    listener.end(GONE)


def _write_now(write: Callable[[bytes], bool], frames: Sequence[Frame]) -> bool:
    return write(b"".join([frame.chunk for frame in frames]))


async def _write(send: Send, listener: Listener) -> None:
    async def write(data: bytes) -> None:
        await send({"type": "http.response.body", "body": data, "more_body": True})

    # With the cursor, so that who reconnects before the first event misses none.
    await write(b"retry: %d\nid: %012d\n\n" % (RETRY, listener.told))
    try:
        while True:
            if frames := await listener.next():
                for piece in _pieces(frames):
                    await write(piece)
                listener.told = frames[-1].sequence
            elif listener.cursor > listener.told:
                # What was passed over need not be looked at again.
                listener.told = listener.cursor
                await write(b"id: %012d\n:\n\n" % listener.told)
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
