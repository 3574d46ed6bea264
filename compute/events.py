"""record(): write an Event row in the caller's transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import F

from compute.models import VM, Event, Operation, Project, Snapshot


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user, an operator in the admin, or the service itself."""

    #: ``user:alice``, ``anonymous``, ``system``.
    name: str
    #: ``req-<uuid4>`` of the request that caused it.
    request_id: str = ""


#: The service acting on what it observed.
SYSTEM = Actor("system")


def record(
    type: str,
    *,
    actor: Actor,
    vm: VM | None = None,
    snapshot: Snapshot | None = None,
    operation: Operation | None = None,
    data: Mapping[str, Any] | None = None,
) -> Event:
    """Write one event; call it last in the transaction that made the change.

    It takes the project's row lock, held to commit: that makes ``sequence`` free of
    gaps and ordered as the commits are, so a reader that follows it misses nothing.
    """
    owner = vm or snapshot or operation
    if owner is None:
        raise ValueError("an event is about a VM, a snapshot or an operation")
    event = Event(
        type=type,
        vm=vm,
        snapshot=snapshot,
        operation=operation,
        actor=actor.name,
        request_id=actor.request_id,
        data=dict(data or {}),
    )
    record_all(owner.project_id, [event])
    return event


def record_all(project_id: UUID, events: Sequence[Event]) -> None:
    """Write several events of one project; `record` has the rules."""
    Project.objects.filter(pk=project_id).update(
        event_sequence=F("event_sequence") + len(events)
    )
    newest = Project.objects.values_list("event_sequence", flat=True).get(pk=project_id)
    for sequence, event in enumerate(events, start=newest - len(events) + 1):
        event.project_id, event.sequence = project_id, sequence
    Event.objects.bulk_create(events, batch_size=1000)
