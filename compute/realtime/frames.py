"""Frames: an event as the wire has it, written once for all who listen."""

from typing import NamedTuple

from compute.bodies.envelopes import Envelope


class Frame(NamedTuple):
    """One event of a project, for both kinds of stream."""

    sequence: int
    type: str
    subject: str | None
    #: As a server-sent event.
    event: bytes
    #: As a message of a WebSocket.
    text: str

    @classmethod
    def of(cls, envelope: Envelope) -> "Frame":
        assert envelope.sequence is not None  # noqa: S101  # it is a project's
        return cls(
            envelope.sequence,
            envelope.type,
            envelope.subject,
            b"id: %012d\nevent: %s\ndata: %s\n\n"
            % (envelope.sequence, envelope.type.encode(), envelope.body),
            envelope.body.decode(),
        )
