"""Celery's Redis transport, mended: a worker outlives a restart of Redis."""

from typing import Any

from kombu.transport import TRANSPORT_ALIASES, redis
from redis.exceptions import ConnectionError as LostConnection


class Channel(redis.Channel):
    def _connparams(self, asynchronous: bool = False) -> Any:
        """Refuse to connect again over a connection that was lost.

        Work that was in hand is acknowledged, or put back, over the channel it came by.
        Without a connection that ended in an AttributeError, which Celery takes for a
        defect and ends the worker; this it expects. Redis hands the message out again
        after the visibility timeout, and the sweep finds its operation before that.
        """
        if getattr(self.connection, "client", None) is None:
            raise LostConnection("This message came over a connection that was lost.")
        return super()._connparams(asynchronous)  # type: ignore[misc]  # no stub


class Transport(redis.Transport):
    Channel = Channel


def install() -> None:
    """Have the URLs of Redis mean this transport."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
