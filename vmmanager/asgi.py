"""ASGI entry point, for runserver and for long-lived connections."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from django.core.asgi import get_asgi_application

from vmmanager import server

if TYPE_CHECKING:
    from compute.realtime.door import Realtime
    from compute.realtime.offer import Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vmmanager.settings")


class Application:
    """Django's, which is also told that the server stops."""

    def __init__(self) -> None:
        self._django = server.start(_make)
        #: runserver has its own way.
        self._is_told = not server.has_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_told:
            server.before_stop_of_loop()
            self._is_told = True
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await self._django(scope, receive, send)


def _make() -> Realtime:
    # First: the models of what is imported below are read by it.
    application = get_asgi_application()
    from django.conf import settings

    from compute.api.http import intake
    from compute.errors import NotFound
    from compute.realtime.door import Realtime

    django = intake.ASGI(application)

    async def health_alone(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith("/health"):
            refusal = NotFound("This process serves event streams, and nothing else.")
            scope = {**scope, intake.REFUSED: refusal}
        await django(scope, receive, send)

    return Realtime(django, health_alone if settings.STREAMS_ONLY else django)


async def _live(receive: Receive, send: Send) -> None:
    """Take part in the lifespan protocol, in which nothing is to be done."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


application = Application()
