"""What the answers of all services have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from providers.errors import UnexpectedResponse

Json = dict[str, Any]


@contextmanager
def reading(service: str) -> Iterator[None]:
    """Raise UnexpectedResponse for an answer that lacks what it must have."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as exc:
        raise UnexpectedResponse(
            f"An answer of {service} cannot be read: {type(exc).__name__} {exc}",
            service=service,
        ) from exc


def to_time(text: str) -> datetime:
    """Return an aware time; those of actions and launches have no zone and mean UTC."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
