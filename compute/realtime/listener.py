"""Listener: one stream's place in a log, what it has not sent yet, and how it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from django.db import DatabaseError

from compute.errors import Problem
from compute.realtime.frames import Frame
from compute.services.streams import EVERYTHING, Stream

#: Events that may wait for a client to read. One that has more is closed, and comes
#: back with its cursor.
MAX_PENDING = 1_000
#: Seconds in which a client reads what it was sent before the end.
LAST_SECONDS = 5.0

#: Returns what follows an event, and up to where that is all.
Behind = Callable[[int], Awaitable[tuple[list[Frame], int]]]
#: Writes some at once, or says that it could not.
WriteNow = Callable[[Sequence[Frame]], bool]


@dataclass(frozen=True, slots=True)
class End:
    """Why a stream ends."""

    #: As a WebSocket is closed: RFC 6455, or 4000 and the status of a problem.
    code: int
    reason: str
    #: Where the key ended, or never opened anything.
    problem: Problem | None = None

    @classmethod
    def of(cls, problem: Problem) -> "End":
        return cls(4000 + problem.status, problem.code, problem)


GONE = End(1000, "the client left")
STOPPED = End(4503, "the service restarts")
SLOW = End(1013, "too slow: reconnect with your cursor")
AWAY = End(4503, "the database is unavailable: reconnect with your cursor")


class Ended(Exception):
    """A stream has ended."""

    def __init__(self, end: End) -> None:
        super().__init__(end.reason)
        self.end = end


class Listener:
    """What one client is sent. Its methods are for the event loop."""

    __slots__ = (
        "_abort",
        "_beat",
        "_behind",
        "_end",
        "_last",
        "_live",
        "_pending",
        "_woken",
        "_write_now",
        "cursor",
        "stream",
        "told",
    )

    def __init__(
        self,
        stream: Stream,
        behind: Behind,
        *,
        abort: Callable[[], object],
        write_now: WriteNow,
    ) -> None:
        self.stream = stream
        #: All up to it has been looked at for this client, and it was told of it.
        self.cursor = self.told = stream.after
        self._behind = behind
        #: Whether it is handed events, or still reads those it has missed.
        self._live = False
        self._pending: list[Frame] = []
        self._beat = False
        self._end: End | None = None
        #: Drops the connection: who does not read holds up what is sent, also the end.
        self._abort = abort
        self._write_now = write_now
        self._last: asyncio.TimerHandle | None = None
        self._woken: asyncio.Future[None] | None = None

    def take(self, frames: Sequence[Frame]) -> None:
        """Have it send these, in a moment."""
        if not self._live:
            return  # it will read them
        if self._is_idle and frames[0].sequence > self.cursor:
            # Without a task: a thousand of them take a hundred milliseconds.
            wanted = self._wanted(frames)
            if not wanted or self._write_now(wanted):
                self.cursor = frames[-1].sequence
                self.told = wanted[-1].sequence if wanted else self.told
                return
        self._pending += frames
        if len(self._pending) > MAX_PENDING:
            self._pending = []
            self.end(SLOW)
        self._wake()

    def beat(self) -> None:
        """Have it send a sign of life."""
        self._beat = True
        self._wake()

    def end(self, end: End) -> None:
        """Have it end; the first reason counts."""
        if self._end is None:
            self._end = end
            loop = asyncio.get_running_loop()
            self._last = loop.call_later(LAST_SECONDS, self._abort)
            self._wake()

    def leave(self) -> None:
        """Have nothing done about it any more."""
        if self._last is not None:
            self._last.cancel()

    async def next(self) -> Sequence[Frame]:
        """Return what to send next, once there is something; nothing: a sign of life.

        Raises Ended.
        """
        while self._end is None:
            if self._beat:
                self._beat = False
                return []
            if not self._live:
                frames = await self._catch_up()
            elif self._pending:
                # The first may be some that it had when it came.
                frames = [f for f in self._pending if f.sequence > self.cursor]
                self.cursor = max(self.cursor, self._pending[-1].sequence)
                self._pending = []
            else:
                await self._wait()
                continue
            if wanted := self._wanted(frames):
                return wanted
        raise Ended(self._end)

    @property
    def _is_idle(self) -> bool:
        """Whether its task waits, and all that it had is written."""
        return self._woken is not None and not self._woken.done()

    def _wanted(self, frames: Sequence[Frame]) -> Sequence[Frame]:
        wanted = self.stream.wanted
        if wanted is EVERYTHING:
            return frames
        return [f for f in frames if wanted.includes(f.type, f.subject)]

    async def _catch_up(self) -> list[Frame]:
        try:
            frames, cursor = await self._behind(self.cursor)
        except DatabaseError as error:
            raise Ended(AWAY) from error
        # From here on without a pause, so that nothing is handed out in between.
        self._live = cursor == self.cursor
        self.cursor = cursor
        return frames

    async def _wait(self) -> None:
        self._woken = asyncio.get_running_loop().create_future()
        try:
            await self._woken
        finally:
            self._woken = None

    def _wake(self) -> None:
        if self._woken is not None and not self._woken.done():
            self._woken.set_result(None)
