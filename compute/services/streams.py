"""Streams: which events somebody follows, and tickets for who cannot send a key."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from compute.access import Access, Key
from compute.errors import PermissionDenied, Problem, RateLimited, Unauthenticated
from compute.models import StreamTicket, User
from compute.models.event import is_of_type
from compute.places import Places
from compute.services import keys

#: The key in an ASGI scope of what takes a stream; without it none can be served.
OFFER = "vmmanager.stream"
PERMISSION = "event.stream"
TICKET_LIFETIME = timedelta(seconds=60)
#: Seconds until a client that found no place tries again.
AGAIN = 5

#: Streams of this process.
_places = Places("STREAM_MAX_CONNECTIONS")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events of a project are followed: all, or those of some types and subjects."""

    types: frozenset[str] = frozenset()
    subjects: frozenset[str] = frozenset()

    def includes(self, type: str, subject: str | None) -> bool:
        if self.subjects and subject not in self.subjects:
            return False
        return is_of_type(type, self.types)


#: All of them; the same for all who name none.
EVERYTHING = Wanted()


@dataclass(frozen=True, slots=True)
class Stream:
    """What one connection follows, from where on, and by which right."""

    project_id: UUID
    #: The sequence of the last event that the client has.
    after: int
    #: That of the project's newest when this was asked.
    newest: int
    wanted: Wanted
    key: Key
    #: Who it is, as places are counted.
    principal: str


def enter(stream: Stream) -> None:
    """Take a place for a stream, or raise RateLimited; `leave` gives it back."""
    if not _places.enter(stream.principal):
        problem = RateLimited(
            "Too many streams are open at the moment.", violated_policies=["streams"]
        )
        problem.retry_after = AGAIN
        raise problem


def leave(stream: Stream) -> None:
    _places.leave(stream.principal)


def ended(stream: Stream, access: Access | Problem) -> Problem | None:
    """Return why a stream ends, from what its key opens now."""
    if isinstance(access, Problem):
        return access
    try:
        access.require(PERMISSION, stream.project_id)
    except PermissionDenied as problem:
        return problem
    return None


# Tickets


def create_ticket(access: Access, user: User) -> tuple[str, datetime]:
    """Make a ticket of a key; return it with its end. Nobody can read it again."""
    text = secrets.token_urlsafe(32)
    expires_at = timezone.now() + TICKET_LIFETIME
    key = access.key
    with transaction.atomic():
        StreamTicket.objects.create(
            digest=_digest(text),
            user=user,
            token_id=key.id if key.kind == "token" else None,
            login_id=key.id if key.kind == "login" else None,
            key_expires_at=key.expires_at,
            expires_at=expires_at,
        )
    return text, expires_at


def redeem(text: str) -> Access:
    """Return what a ticket opens, once, or raise Unauthenticated or TokenExpired."""
    tickets = StreamTicket.objects.filter(
        digest=_digest(text), expires_at__gt=timezone.now()
    )
    ticket = tickets.first()
    # Of two that come at once one removes it.
    if ticket is None or not tickets.delete()[0]:
        raise Unauthenticated("The ticket has been used or has expired.")
    key = _key_of(ticket)
    access = keys.opened([key])[key]
    if isinstance(access, Problem):
        raise access
    return access


def _key_of(ticket: StreamTicket) -> Key:
    if ticket.token_id:
        return Key("token", ticket.token_id)
    if ticket.login_id:
        return Key("login", ticket.login_id, ticket.key_expires_at)
    return Key("user", ticket.user_id)


def forget_old() -> None:
    """Remove tickets that nobody used in time."""
    StreamTicket.objects.filter(expires_at__lte=timezone.now()).delete()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
