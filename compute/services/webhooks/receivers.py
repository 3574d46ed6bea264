"""Receivers: URLs that webhooks may have."""

from dataclasses import dataclass

from compute import egress, places
from compute.database import give_back
from compute.errors import RateLimited, ValidationError
from compute.events import Actor

#: Seconds until somebody for whom there is no place tries again.
AGAIN = 5


@dataclass(frozen=True, slots=True)
class Receiver:
    """A URL that was looked up, and may be called."""

    url: str


def look_up(
    url: str, *, actor: Actor, resolve: egress.Resolve = egress.resolve
) -> Receiver:
    """Return the receiver at a URL; call it before the transaction, as it asks DNS.

    What its name means may change: each delivery looks again. Raises ValidationError,
    for the field ``url``, and RateLimited while too many others wait for DNS: a name
    that hangs holds a thread of the API for seconds.
    """
    with places.reads.one("dns", actor.name) as admitted:
        if not admitted:
            problem = RateLimited(
                "Too many names are being looked up. Try again in a few seconds.",
                violated_policies=["lookups"],
            )
            problem.retry_after = AGAIN
            raise problem
        give_back()
        try:
            egress.permitted_addresses(egress.parse(url), resolve=resolve)
        except (egress.Refused, egress.Unreachable) as error:
            row = {"pointer": "#/url", "code": "invalid", "detail": str(error)}
            raise ValidationError([row]) from error
    return Receiver(url)
