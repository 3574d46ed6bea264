"""Frames: an event as the wire has it, written once for all who listen."""

from compute.bodies.envelopes import Envelope


class Frame:
    """One event of a project, for both kinds of stream."""

    __slots__ = ("_body_at", "_text", "event", "sequence", "subject", "type")

    def __init__(self, envelope: Envelope) -> None:
        self.sequence = envelope.sequence
        self.type = envelope.type
        self.subject = envelope.subject
        head = b"id: %012d\nevent: %s\ndata: " % (self.sequence, self.type.encode())
        #: As a server-sent event.
        self.event = b"%s%s\n\n" % (head, envelope.body)
        self._body_at = len(head)
        self._text: str | None = None

    @property
    def text(self) -> str:
        """The event as a message of a WebSocket; made for the first who wants it."""
        if self._text is None:
            self._text = self.event[self._body_at : -2].decode()
        return self._text
