"""Envelopes: events as every reader of a project's log gets them, made once for all."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from compute.bodies.events import EVENT_BODY
from compute.models import Event


@dataclass(frozen=True, slots=True)
class Envelope:
    """One event, written out."""

    id: UUID
    sequence: int
    type: str
    #: ``vms/{id}``, or nothing.
    subject: str | None
    #: JSON, in UTF-8.
    body: bytes


def of(events: Iterable[Event]) -> list[Envelope]:
    """Write events out, each with its subject as that is now."""
    rows = list(events)
    bodies = EVENT_BODY.show_all(rows)
    return [_envelope(*pair) for pair in zip(rows, bodies, strict=True)]


def between(project_id: UUID, after: int, until: int, *, limit: int) -> list[Envelope]:
    """Write out the first of a project's events with sequences in (after, until]."""
    events = Event.objects.filter(
        project_id=project_id, sequence__gt=after, sequence__lte=until
    )
    return of(events.order_by("sequence")[:limit])


def _envelope(event: Event, body: Mapping[str, Any]) -> Envelope:
    return Envelope(
        id=event.pk,
        sequence=event.sequence or 0,  # of a project each has one
        type=event.type,
        subject=body["subject"],
        body=orjson.dumps(body, default=str, option=orjson.OPT_UTC_Z),
    )
