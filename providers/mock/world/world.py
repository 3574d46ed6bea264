"""The mock's file, clock and pace, and the frame that every call runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from providers.contract.calls import CallTally
from providers.errors import ProviderError
from providers.mock.world import faults, neutron, ports
from providers.mock.world.faults import Call
from providers.mock.world.state import microseconds
from providers.mock.world.store import Store

#: In microseconds.
_MINUTE = 60_000_000


class World:
    """What the services of one mock cloud share."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        *,
        pace: float,
        page_size: int,
        quota: int,
        outages: int,
        remote_consoles: bool,
        call_timeout: float,
    ) -> None:
        self.store = store
        self.pace = pace
        self.page_size = page_size
        self.quota = quota
        #: In so many minutes it is away for one; 0: never.
        self.outages = outages
        self.remote_consoles = remote_consoles
        self.call_timeout = call_timeout
        self.tally = CallTally()
        self._clock = clock

    def now(self) -> int:
        """Return the time as stored, in microseconds."""
        return microseconds(self._clock())

    def describe(self, table: str, id: str, *more: str | None) -> str:
        """Return what injected faults match of a call on something of Neutron's."""
        return neutron.describe(self.store.connection(), table, id, *more)

    @contextmanager
    def call(
        self,
        op: str,
        *,
        server_id: str = "",
        image_id: str = "",
        subject: str = "",
        timeout: float | None = None,
    ) -> Iterator[Call]:
        """Count a call, and let the injected faults act before and after its block.

        ``op`` is one of `providers.contract.cloud.call_names`.
        """
        self.tally.count()
        with self.store.transaction() as db:
            ports.settle(db, self.now())
            if server_id or image_id:
                table = "servers" if server_id else "images"
                key = server_id or image_id
                row = db.execute(
                    f"SELECT name FROM {table} WHERE id = ?",  # noqa: S608  # one of two constants
                    (key,),
                ).fetchone()
                words = (row["name"] if row else "", key, subject)
                subject = " ".join(words).rstrip()
            acting = faults.take(db, op, subject)
        if self.outages and self.now() // _MINUTE % self.outages == 0:
            acting = {"refuse": faults.AWAY}
        call = Call(op, timeout or self.call_timeout, acting)
        call.begin()
        try:
            yield call
        except ProviderError as error:
            error.request_id = error.request_id or call.request_id
            raise
        call.end()
