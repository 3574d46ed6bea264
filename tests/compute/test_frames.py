"""Frames: what is written past the server's own code is what the standards say."""

import uuid
from collections.abc import Generator
from typing import Any

import pytest
from websockets.frames import Frame as Message
from websockets.frames import Opcode
from websockets.streams import StreamReader

from compute.bodies.envelopes import Envelope
from compute.realtime.frames import Frame


def frame(body: bytes) -> Frame:
    return Frame(Envelope(uuid.uuid4(), 7, "vm.updated", "vms/1", body))


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_message_is_read_as_it_was(size: int) -> None:
    body = b"x" * size
    reader = StreamReader()
    reader.feed_data(frame(body).message)
    parsing: Generator[None, None, Message] = Message.parse(
        reader.read_exact, mask=False
    )
    with pytest.raises(StopIteration) as done:
        next(parsing)
    read: Any = done.value.value
    assert (read.opcode, read.fin, bytes(read.data)) == (Opcode.TEXT, True, body)
    assert reader.buffer == b""  # all of it was read


def test_all_streams_have_the_same_text() -> None:
    one = frame('{"name": "é"}'.encode())
    assert one.text == '{"name": "é"}'
    assert one.event.endswith(b"data: " + one.text.encode() + b"\n\n")
    assert one.message.endswith(one.text.encode())


@pytest.mark.parametrize("size", [1, 9, 10_000])
def test_a_chunk_has_its_length_in_front(size: int) -> None:
    one = frame(b"x" * size)
    head, _, rest = one.chunk.partition(b"\r\n")
    assert rest == one.event + b"\r\n"
    assert int(head, 16) == len(one.event)
