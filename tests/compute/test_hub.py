"""The hub hands out what there is, also when that is nothing."""

import asyncio
import uuid

from compute.access import Key
from compute.realtime.frames import Frame
from compute.realtime.hub import _Log
from compute.realtime.listener import Listener
from compute.services.streams import EVERYTHING, Stream


async def nothing_missed(after: int) -> tuple[list[Frame], int]:
    return [], after


def test_events_that_were_removed_before_anybody_read_them_are_passed_over() -> None:
    async def hand_out_nothing() -> tuple[int, int]:
        log = _Log(uuid.uuid4(), 0, asyncio.get_running_loop())
        stream = Stream(log.project_id, 0, 0, EVERYTHING, Key("user", "1"), "user:1")
        listener = Listener(
            stream,
            nothing_missed,
            abort=lambda: None,
            write_now=lambda frames: True,
        )
        log.listeners.add(listener)
        reading = asyncio.create_task(listener.next())
        while not listener._is_idle:
            await asyncio.sleep(0)
        log._hand_out([], 5)
        reading.cancel()
        return log.handed, listener.cursor

    assert asyncio.run(hand_out_nothing()) == (5, 0)
