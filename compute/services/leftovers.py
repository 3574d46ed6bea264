"""What failed work left in a cloud: it is removed, and recorded as an event.

A create whose answer was lost may show its server only after it was repeated; a host
that died may leave an image half made, or a port without its server. What can be tied
to a row of ours by tag or id, and is not what that has, is removed. All else is
somebody else's and never touched.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol, TypeVar

from django.db import transaction

from compute import events
from compute.events import SYSTEM, Actor
from compute.models import NetworkResource
from compute.models.owned import Owned
from providers.contract.calls import Receipt
from providers.errors import NotFound, ProviderError

log = logging.getLogger(__name__)

#: Rows looked up at a time.
CHUNK = 500
#: Removed in one pass at most, so that a pass ends; the next one goes on.
MOST_AT_ONCE = 20
#: The type of that event.
REMOVED = "vm.leftover_removed"

T = TypeVar("T")


class Remove(Protocol):
    def __call__(self, *, request_id: str) -> Receipt: ...


@dataclass(frozen=True, slots=True)
class Leftover:
    """A thing in the cloud, and whose it was."""

    #: In the cloud's word: server, image, port, keypair.
    kind: str
    id: str
    remove: Remove
    owner: Owned
    #: Whose page shows it too.
    related: Owned | None = None


def remove(alias: str, found: Iterable[Leftover]) -> None:
    """Remove what a listing shows to be left over.

    What cannot be removed now is left to the next pass that shows it.
    """
    try:
        for leftover in islice(found, MOST_AT_ONCE):
            _remove(leftover)
    except ProviderError as error:
        log.warning("Leftovers in %s were not removed: %s", alias, error)


def _remove(leftover: Leftover) -> None:
    actor = Actor(SYSTEM.name, request_id=f"req-{uuid.uuid4()}")
    try:
        leftover.remove(request_id=actor.request_id)
    except NotFound:
        return
    except ProviderError as error:
        if error.retryable:
            raise
        # Locked, say, or in use: that must not keep the others from being removed.
        log.warning("Left %s %s: %s", leftover.kind, leftover.id, error)
        return
    log.warning("Removed %s %s, left by %s", leftover.kind, leftover.id, leftover.owner)
    with transaction.atomic():
        events.record(
            f"{leftover.owner.kind}.leftover_removed"
            if isinstance(leftover.owner, NetworkResource)
            else REMOVED,
            actor=actor,
            # It was listed some time ago: the event tells the version it has now.
            subject=type(leftover.owner).locked(leftover.owner.pk),
            related=leftover.related,
            details={"kind": leftover.kind, "id": leftover.id},
        )


def owner_id(tag: str | None) -> uuid.UUID | None:
    """Return the id of ours that a tag is, if it is one."""
    try:
        return uuid.UUID(tag or "")
    except ValueError:
        return None


def chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), CHUNK):
        yield rows[start : start + CHUNK]
