"""Receivers: URLs that webhooks may have."""

from dataclasses import dataclass

from compute import egress
from compute.database import give_back
from compute.errors import ValidationError


@dataclass(frozen=True, slots=True)
class Receiver:
    """A URL that was looked up, and may be called."""

    url: str


def look_up(url: str, *, resolve: egress.Resolve = egress.resolve) -> Receiver:
    """Return the receiver at a URL; call it before the transaction, as it asks DNS.

    Raises ValidationError, for the field ``url``. What its name means may change: each
    delivery looks again.
    """
    try:
        target = egress.parse(url)
        give_back()
        egress.permitted_addresses(target, resolve=resolve)
    except (egress.Refused, egress.Unreachable) as error:
        row = {"pointer": "#/url", "code": "invalid", "detail": str(error)}
        raise ValidationError([row]) from error
    return Receiver(url)
