"""Frames: an event as the wire has it, written once for all who listen."""

import struct

from compute.bodies.envelopes import Envelope

#: A whole message of text, and the length from which on it has a field of its own.
_TEXT, _SHORT = 0x81, 126


class Frame:
    """One event of a project, for both kinds of stream."""

    __slots__ = (
        *("_body_at", "_chunk", "_message", "_text"),
        *("event", "sequence", "subject", "type"),
    )

    def __init__(self, envelope: Envelope) -> None:
        self.sequence = envelope.sequence
        self.type = envelope.type
        self.subject = envelope.subject
        head = b"id: %012d\nevent: %s\ndata: " % (self.sequence, self.type.encode())
        #: As a server-sent event.
        self.event = b"%s%s\n\n" % (head, envelope.body)
        self._body_at = len(head)
        # Made for the first who wants them.
        self._text: str | None = None
        self._chunk = self._message = b""

    @property
    def text(self) -> str:
        """The event as the text of a message of a WebSocket."""
        if self._text is None:
            self._text = self._body.decode()
        return self._text

    @property
    def chunk(self) -> bytes:
        """The server-sent event as a chunk of HTTP/1.1 (RFC 9112, 7.1)."""
        if not self._chunk:
            self._chunk = b"%x\r\n%s\r\n" % (len(self.event), self.event)
        return self._chunk

    @property
    def message(self) -> bytes:
        """The message of a WebSocket as a server sends it (RFC 6455, 5.2)."""
        if not self._message:
            body = self._body
            if len(body) < _SHORT:
                head = struct.pack("!BB", _TEXT, len(body))
            elif len(body) < 1 << 16:
                head = struct.pack("!BBH", _TEXT, 126, len(body))
            else:
                head = struct.pack("!BBQ", _TEXT, 127, len(body))
            self._message = head + body
        return self._message

    @property
    def _body(self) -> bytes:
        return self.event[self._body_at : -2]
