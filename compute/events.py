"""record(): write an Event row in the caller's transaction."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from compute import statements
from compute.models import Event, Operation, Outcome, Project, subjects
from compute.models.owned import Owned
from compute.tail import tail

_ADVANCE = """
UPDATE compute_project SET event_sequence = event_sequence + %s WHERE id = %s
RETURNING event_sequence
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks: a user, an operator in the admin, or the service itself."""

    #: ``user:alice``, ``anonymous``, ``system``.
    name: str
    #: ``req-<uuid4>`` of the request that caused it.
    request_id: str = ""
    #: How the API token begins with which it came.
    token: str = ""
    #: Where it came from.
    address: str | None = None


#: The service acting on what it observed.
SYSTEM = Actor("system")


def record(
    type: str,
    *,
    actor: Actor,
    project: Project | None = None,
    subject: object = None,
    related: Owned | None = None,
    operation: Operation | None = None,
    changes: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Event:
    """Write one event; call it last in the transaction that made the change.

    It is about ``subject``, saved as it is from here on, or else about the operation or
    the project; the page of ``related`` shows it too. It takes the project's row lock,
    held to commit: that makes ``sequence`` free of gaps and ordered as the commits are,
    so a reader that follows it misses nothing.
    """
    about = subject or operation or project
    found = subjects.of(about)
    if found is None:
        raise ValueError("an event is about a project or something of one")
    event = by(
        actor,
        type,
        subject=about,
        related=related,
        operation=operation,
        changes=changes,
        details=details,
    )
    record_all(found.project_id, [event])
    return event


def by(
    actor: Actor,
    type: str,
    *,
    subject: object = None,
    related: Owned | None = None,
    changes: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Event:
    """Return an event of somebody's about something, not yet written.

    ``changes`` are field -> [before, after], ``details`` all else that it tells.
    """
    return Event(
        type=type,
        actor=actor.name,
        token=actor.token,
        address=actor.address,
        request_id=actor.request_id,
        data={"changes": dict(changes or {}), "details": dict(details or {})},
        **_about(subject, related),
        **fields,
    )


def _about(row: object, related: Owned | None) -> dict[str, Any]:
    subject = subjects.of(row)
    if subject is None:
        return {}
    beside = (related.kind, related.pk) if related else ("", None)
    if isinstance(row, Operation) and related is None:
        # The page of what it works on shows how that went.
        beside = row.target_kind, row.target_id
    return {
        "subject_kind": subject.kind,
        "subject_id": subject.id,
        "subject_name": subject.name,
        "subject_version": subject.version,
        "related_kind": beside[0],
        "related_id": beside[1],
    }


def record_all(project_id: UUID, events: Sequence[Event]) -> None:
    """Write several events of one project; `record` has the rules."""
    newest = _advance(project_id, len(events))
    for sequence, event in enumerate(events, start=newest - len(events) + 1):
        event.project_id, event.sequence = project_id, sequence
    transaction.on_commit(tail.hint)
    if len(events) == 1:
        statements.insert(events[0])
    else:
        Event.objects.bulk_create(events, batch_size=1000)


def _advance(project_id: UUID, by: int) -> int:
    """Return a project's event sequence once it has grown, its row locked.

    In one statement, which Django's `update` cannot say.
    """
    id = Project._meta.pk.get_db_prep_value(project_id, connection)
    with connection.cursor() as cursor:
        cursor.execute(_ADVANCE, [by, id])
        row = cursor.fetchone()
    if row is None:
        raise Project.DoesNotExist(f"no project {project_id}")
    return int(row[0])


def record_each(
    log: Mapping[UUID, Sequence[Event]],
    *,
    insert: Callable[[Sequence[Event]], object] = Event.objects.bulk_create,
) -> None:
    """Write the events of several projects; `record` has the rules."""
    # In one order always, or two such transactions wait for each other.
    projects = Project.objects.select_for_update(no_key=True).filter(pk__in=log)
    rows = list(projects.order_by("pk"))
    for project in rows:
        for event in log[project.pk]:
            project.event_sequence += 1
            event.project_id, event.sequence = project.pk, project.event_sequence
    Project.objects.bulk_update(rows, ["event_sequence"])
    transaction.on_commit(tail.hint)
    insert([event for events in log.values() for event in events])


def record_outside(
    type: str,
    *,
    actor: Actor,
    outcome: Outcome = Outcome.SUCCEEDED,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an event that is no project's: of a login, or of what operators do."""
    by(actor, type, outcome=outcome, details=details).save(force_insert=True)
