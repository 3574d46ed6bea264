"""Hub: reads each log that somebody follows once, and hands it to all who do.

The tail says when a log has grown. Its thread then reads what is new and writes it out;
the event loop gives it to the listeners. No listener waits for another.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError

from compute import database
from compute.bodies import envelopes
from compute.engine import waiting
from compute.errors import Problem
from compute.realtime.frames import Frame
from compute.realtime.listener import STOPPED, End, Listener, WriteNow
from compute.services import keys, streams
from compute.services.streams import Stream
from compute.tail import Watch, newest_events, tail

logger = structlog.get_logger(__name__)

#: Events that are read at a time: new ones, and by who has fallen behind. Those are
#: each one's own for as long as it takes to send them, and thousands may be slow.
PAGE, OWN_PAGE = 200, 50
#: Threads that read for who has fallen behind, each with a connection.
READERS = 2
#: Seconds between two looks at all keys, and between two signs of life.
CHECK_SECONDS = 5.0
BEAT_SECONDS = 15.0


def read(project_id: UUID, after: int, until: int, *, limit: int) -> list[Frame]:
    """Return the first events of a project in (after, until]."""
    try:
        found = envelopes.between(project_id, after, until, limit=limit)
        return [Frame(envelope) for envelope in found]
    finally:
        database.give_back()


class _Log:
    """One project's, for as long as somebody listens."""

    def __init__(self, project_id: UUID, newest: int, loop: asyncio.AbstractEventLoop):
        self.project_id = project_id
        self.listeners: set[Listener] = set()
        #: All up to it was handed to those who listened then.
        self.handed = newest
        #: All up to it was read; of the thread of the tail.
        self._read = newest
        self._loop = loop
        self.watch = Watch(newest_events, project_id, newest, self._grow)

    def _grow(self, newest: int | None) -> None:
        while newest is not None and self._read < newest:
            frames = read(self.project_id, self._read, newest, limit=PAGE)
            # None: they were removed, as too old, before anybody read them.
            self._read = frames[-1].sequence if frames else newest
            self._loop.call_soon_threadsafe(self._hand_out, frames, self._read)

    def _hand_out(self, frames: list[Frame], until: int) -> None:
        self.handed = until
        if frames:
            for listener in self.listeners:
                listener.take(frames)


class Hub:
    """The streams of this process. Its methods are for the event loop."""

    def __init__(self) -> None:
        self._logs: dict[UUID, _Log] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._readers = ThreadPoolExecutor(READERS, "stream")
        self._loop: asyncio.AbstractEventLoop | None = None

    async def follow(
        self,
        stream: Stream,
        *,
        abort: Callable[[], object],
        write_now: WriteNow,
        watch: Callable[[Listener], Coroutine[Any, Any, None]],
        write: Callable[[Listener], Awaitable[None]],
    ) -> None:
        """Have a listener handed what happens for as long as ``write`` runs.

        Beside it ``watch`` sees that the client leaves. ``abort`` drops the connection
        if ``write`` does not return soon after the end. ``write_now`` writes what there
        is to a client that has read all else.
        """
        log = self._log_of(stream)
        behind = partial(self._behind, log)
        listener = Listener(stream, behind, abort=abort, write_now=write_now)
        log.listeners.add(listener)
        watcher = asyncio.create_task(watch(listener))
        try:
            await write(listener)
        finally:
            watcher.cancel()
            self._leave(listener)

    def _log_of(self, stream: Stream) -> _Log:
        loop = self._start()
        log = self._logs.get(stream.project_id)
        if log is None:
            log = _Log(stream.project_id, stream.newest, loop)
            self._logs[stream.project_id] = log
            tail.add(log.watch)
        return log

    def _leave(self, listener: Listener) -> None:
        listener.leave()
        project_id = listener.stream.project_id
        log = self._logs[project_id]
        log.listeners.remove(listener)
        if not log.listeners:
            tail.remove(log.watch)
            del self._logs[project_id]
            if not self._logs:
                self._stop()

    async def _behind(self, log: _Log, after: int) -> tuple[list[Frame], int]:
        """Return what follows an event, and up to where that is all."""
        until = log.handed
        if after >= until:
            return [], after
        loop = asyncio.get_running_loop()
        call = partial(read, log.project_id, after, until, limit=OWN_PAGE)
        frames = await loop.run_in_executor(self._readers, call)
        return frames, frames[-1].sequence if frames else until

    def _start(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            waiting.at_end(lambda: loop.call_soon_threadsafe(self._end_all))
        if not self._tasks:
            self._tasks = [
                loop.create_task(_every(CHECK_SECONDS, self._check_keys)),
                loop.create_task(_every(BEAT_SECONDS, self._beat)),
            ]
        return loop

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks = []

    def _listeners(self) -> list[Listener]:
        return [one for log in self._logs.values() for one in log.listeners]

    def _end_all(self) -> None:
        for listener in self._listeners():
            listener.end(STOPPED)

    async def _beat(self) -> None:
        for listener in self._listeners():
            listener.beat()

    async def _check_keys(self) -> None:
        """End the streams whose keys have ended, or open this project no more."""
        open_streams = {one.stream for one in self._listeners()}
        loop = asyncio.get_running_loop()
        try:
            ends = await loop.run_in_executor(self._readers, _ends, open_streams)
        except DatabaseError as error:
            # While nobody can be asked, nothing is read from it either.
            logger.warning("keys of streams were not checked", reason=str(error))
            return
        for listener in self._listeners():
            if problem := ends.get(listener.stream):
                listener.end(End.of(problem))


async def _every(seconds: float, do: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await do()


def _ends(open_streams: Collection[Stream]) -> dict[Stream, Problem]:
    """Return why some of these end."""
    try:
        accesses = keys.opened({stream.key for stream in open_streams})
        reasons = {s: streams.ended(s, accesses[s.key]) for s in open_streams}
    finally:
        database.give_back()
    return {stream: reason for stream, reason in reasons.items() if reason}


#: That of this process.
hub = Hub()
