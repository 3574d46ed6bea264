"""What Django's pool of connections lacks: telling at once that the database is away."""

import threading
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg import OperationalError
from psycopg_pool import PoolTimeout

#: Seconds that a thread waits for a connection while all are in use: longer than a crowd
#: takes that comes while the process is cold,
PATIENCE = 10.0
#: for another that finds out whether the database is back,
PAUSE = 0.25
#: and for which nobody asks again after it was away.
REST = 1.0


class _Reach:
    """Whether the database of this process could be reached the last time."""

    def __init__(self) -> None:
        self.away = False
        self.asked_at = 0.0
        self.asking = threading.Lock()


class DatabaseWrapper(base.DatabaseWrapper):
    """Waits for a connection of the pool unless the database is away.

    A pool does not tell that it cannot connect: each who asks waits for the whole
    time-out, and so do the threads that have other requests to answer. While the
    database is away one of them tries now and then, without the pool, for all.
    """

    _reach = _Reach()
    _checks = True

    def connect_unchecked(self) -> None:
        """Connect without a look at whether the pool's connection still works.

        For who can ask again: the look is a round trip.
        """
        self._checks = False
        try:
            self.ensure_connection()
        finally:
            self._checks = True

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.pool is None:
            return super().get_new_connection(conn_params)
        if self._reach.away:
            self._ask_again(conn_params)
        if not self._checks:
            return self._lent(conn_params)
        return self._living(conn_params)

    def _ask_again(self, conn_params: dict[str, Any]) -> None:
        reach = self._reach
        if not reach.asking.acquire(timeout=PAUSE):
            raise OperationalError("the database does not answer")
        try:
            if reach.away and time.monotonic() < reach.asked_at + REST:
                raise OperationalError("the database was away a moment ago")
            if reach.away:
                self._connect(conn_params)
        finally:
            reach.asking.release()

    def _connect(self, conn_params: dict[str, Any]) -> None:
        try:
            self.Database.connect(**conn_params).close()
        except OperationalError:
            self._note(away=True)
            raise
        self._note(away=False)

    def _note(self, *, away: bool) -> None:
        self._reach.away, self._reach.asked_at = away, time.monotonic()

    def _living(self, conn_params: dict[str, Any]) -> Any:
        """Return a connection that is known to work.

        When the server ends one it has mostly ended them all: the pool's own check would
        find them one after the other, with a pause of seconds after each.
        """
        connection = self._lent(conn_params)
        try:
            self.pool.check_connection(connection)
        except OperationalError:
            self.pool.putconn(connection)
            self._connect(conn_params)
            self.pool.check()
            connection = self._lent(conn_params)
        return connection

    def _lent(self, conn_params: dict[str, Any]) -> Any:
        """Wait, a time-out of the pool at a time, for as long as it can connect."""
        give_up = time.monotonic() + PATIENCE
        failed = self._failed_connects()
        while True:
            try:
                return super().get_new_connection(conn_params)
            except PoolTimeout:
                if self._failed_connects() > failed:
                    self._note(away=True)
                    raise
                if time.monotonic() > give_up:
                    raise

    def _failed_connects(self) -> int:
        return int(self.pool.get_stats().get("connections_errors", 0))
