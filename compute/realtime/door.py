"""The way in: streams are served here, all other requests by Django."""

from collections.abc import Awaitable

from django.urls import reverse

from compute.realtime import sockets, sse
from compute.realtime.offer import Application, Receive, Scope, Send
from compute.realtime.waits import Waits


class Realtime:
    """Stands in front of Django's ASGI application."""

    def __init__(self, django: Application, others: Application) -> None:
        """Take Django, and what serves all other requests."""
        self._django = django
        self._others = Waits(others)
        self._stream = reverse("event-stream")
        self._socket = reverse("event-ws")

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope["path"]
        if scope["type"] == "websocket":
            if path == self._socket:
                return sockets.serve(self._django, scope, receive, send)
            return _close(receive, send)
        if path == self._stream:
            return sse.serve(self._django, scope, receive, send)
        return self._others(scope, receive, send)


async def _close(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close"})
