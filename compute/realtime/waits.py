"""Requests that wait: between two threads of Django's, the event loop waits for them."""

import asyncio

from django.conf import settings

from compute.engine.waiting import PARKING, RESUMED, Parked, Parking
from compute.realtime.offer import (
    Application,
    Message,
    Receive,
    Scope,
    Send,
    in_own_task,
    no_body,
)

#: Requests that go on at the same time: a thousand may have waited for one thing.
AT_ONCE = 16


class Waits:
    """Stands in front of Django's ASGI application, and keeps what it parks."""

    def __init__(self, django: Application) -> None:
        self._django = django
        self._going_on = asyncio.Semaphore(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not _may_wait(scope):
            await self._django(scope, receive, send)
            return
        parking = Parking()
        scope, receive = {**scope, PARKING: parking}, _watched(receive, parking)

        async def take(message: Message) -> None:
            if parking.parked is None:  # else it is no answer
                await send(message)

        try:
            await in_own_task(self._django, scope, receive, take)
            is_there = True
            while parked := parking.parked:
                is_there = await _passed(parked, receive) and is_there
                async with self._going_on:
                    messages = await self._go_on(scope, parking, parked)
                # Who has left is told nothing; the log has its line all the same.
                for message in messages if is_there else ():
                    await send(message)
        finally:
            parking.end()

    async def _go_on(
        self, scope: Scope, parking: Parking, parked: Parked
    ) -> list[Message]:
        """Return the answer of what was parked, if it is not parked again.

        As a whole: who reads slowly holds up nobody else.
        """
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        parking.take()
        await in_own_task(self._django, {**scope, RESUMED: parked}, no_body(), keep)
        if parking.parked is not None:
            return []
        parked.close()  # if Django answered without going on
        return messages


def _may_wait(scope: Scope) -> bool:
    return settings.API_DEFAULT_WAIT_SECONDS > 0 or any(
        name == b"prefer" for name, _ in scope["headers"]
    )


async def _passed(parked: Parked, receive: Receive) -> bool:
    """Wait as long as there is reason to; say whether the client is still there."""
    leaving = asyncio.create_task(_left(receive))
    try:
        parked.state = await parked.until.park()
    finally:
        leaving.cancel()
    return not leaving.done()


def _watched(receive: Receive, parking: Parking) -> Receive:
    """Have Django's threads see that the client has hung up; only its loop is told."""

    async def watch() -> Message:
        message = await receive()
        if message["type"] == "http.disconnect":
            parking.hung_up.end()
        return message

    return watch


async def _left(receive: Receive) -> None:
    """Receive until the client leaves; the bell of its wait is rung with that."""
    while (await receive())["type"] != "http.disconnect":
        pass
