"""The mock's options, and the frame that every call of it runs in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from providers.base import CallTally
from providers.errors import ProviderError
from providers.mock.world import faults
from providers.mock.world.controls import Controls
from providers.mock.world.faults import Call
from providers.mock.world.store import Store


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cloud(Controls, CallTally):
    """A `Controls` with the options of a provider; see `MockProvider`."""

    call_timeout = 5.0

    def __init__(
        self,
        *,
        path: str,
        delay: str = "1",
        page_size: str = "1000",
        quota: str = "0",
        clock: Callable[[], datetime] = _utc_now,
        **unknown: str,
    ) -> None:
        for name in unknown:
            raise ValueError(f"MockProvider has no option {name!r}")
        self._pace = _number("delay", delay, least=0.0)
        self._page_size = int(_number("page_size", page_size, least=1))
        self._quota = int(_number("quota", quota, least=0))
        Controls.__init__(self, Store(Path(path)), clock)
        CallTally.__init__(self)

    def close(self) -> None:
        """Close this thread's connection; a later call opens another."""
        self._store.close()

    @contextmanager
    def _call(
        self,
        op: str,
        *,
        server_id: str = "",
        image_id: str = "",
        subject: str = "",
        timeout: float | None = None,
    ) -> Iterator[Call]:
        """Count a call, and let the injected faults act before and after its block."""
        self.count_call()
        with self._store.transaction() as db:
            if server_id or image_id:
                table = "servers" if server_id else "images"
                key = server_id or image_id
                row = db.execute(
                    f"SELECT name FROM {table} WHERE id = ?",  # noqa: S608  # one of two constants
                    (key,),
                ).fetchone()
                subject = f"{row['name'] if row else ''} {key}"
            acting = faults.take(db, op, subject)
        call = Call(op, timeout or self.call_timeout, acting)
        call.begin()
        try:
            yield call
        except ProviderError as error:
            error.request_id = error.request_id or call.request_id
            raise
        call.end()


def _number(option: str, value: str, *, least: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number < float("inf"):
        raise ValueError(
            f"MockProvider option {option!r} is a number from {least:g} on,"
            f" not {value!r}"
        )
    return number
