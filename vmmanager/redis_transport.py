"""Celery's Redis transport, mended: a worker outlives a restart of Redis."""

from kombu.transport import TRANSPORT_ALIASES, redis


class Channel(redis.Channel):
    @property
    def do_restore(self) -> bool:  # type: ignore[override]  # an attribute there
        """Put unacknowledged messages back only while there is a connection.

        After a lost connection Celery closes a channel twice. The first close ends at
        the dead socket and forgets the address; the second, with a message in hand,
        would ask for it and end the worker. Redis hands such a message out again after
        the visibility timeout, and the sweep finds its operation before that.
        """
        return self.connection.client is not None


class Transport(redis.Transport):
    Channel = Channel


def install() -> None:
    """Have the URLs of Redis mean this transport."""
    TRANSPORT_ALIASES["redis"] = TRANSPORT_ALIASES["rediss"] = f"{__name__}:Transport"
