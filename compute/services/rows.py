"""What services do with a row of whatever noun: lock it, change it, record its end."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from compute import events
from compute.errors import NotFound
from compute.events import SYSTEM, Actor
from compute.expected import Expect, check_expected
from compute.models import Event, NetworkResource, Operation
from compute.models.owned import CloudResource, Owned, Versioned
from compute.services import fields

V = TypeVar("V", bound=Versioned)
Own = TypeVar("Own", bound=Owned)


def lock(row: V) -> V:
    """Return a row as it is now, locked to the end of the transaction.

    Raises NotFound once it is deleted.
    """
    locked = type(row).locked(row.pk)
    if locked.deleted_at is not None:
        raise NotFound(f"No such {row._meta.verbose_name}.")
    return locked


def update(
    row: Own,
    *,
    editable: frozenset[str],
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect,
    related: Owned | None = None,
) -> Own:
    """Change fields that no cloud knows of, in the caller's transaction.

    The page of ``related`` shows it too. Raises ValueError for a field that is not
    ``editable``.
    """
    require_editable(changes, editable)
    row = lock(row)
    check_expected(row, expect)
    changed = row.apply_changes(changes)
    if changed:
        fields.check(row, *changed)
        row.save_changes()
        events.record(
            f"{row.kind}.updated",
            actor=actor,
            subject=row,
            related=related,
            changes=changed,
        )
    return row


def require_editable(changes: Mapping[str, Any], editable: frozenset[str]) -> None:
    """Raise ValueError for a change of a field that is not editable."""
    unknown = changes.keys() - editable
    if unknown:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")


#: A row that was saved, and what a user sees changed of it.
Change = tuple[CloudResource, Mapping[str, Any]]


def save(row: CloudResource, *, touch: bool = False) -> Change:
    """Save a locked row; return what an event is to tell of that."""
    changes = row.visible_changes()
    row.save_changes(touch=touch)
    return row, changes


def record_end(
    operation: Operation,
    target: Change,
    *others: Change,
    related: Owned | None = None,
) -> None:
    """Record that an operation has ended, and what that made of all that it held."""
    actor = Actor(SYSTEM.name, request_id=operation.request_id)
    result = {"status": operation.status, "error": operation.error}
    events.record_all(
        operation.project_id,
        [
            events.by(
                actor,
                "operation.finished",
                subject=operation,
                operation=operation,
                details=result,
            ),
            *changed([target], operation, actor=actor, related=related),
            *changed(others, operation, actor=actor),
        ],
    )


def changed(
    changes: Iterable[Change],
    operation: Operation,
    *,
    actor: Actor,
    related: Owned | None = None,
) -> list[Event]:
    """Return the events of what an operation made of rows of its project.

    What the cloud offers to all is no project's.
    """
    return [
        events.by(
            actor,
            f"{row.kind}.deleted" if row.deleted_at else f"{row.kind}.updated",
            subject=row,
            related=related,
            operation=operation,
            changes=told,
        )
        for row, told in changes
        if not (isinstance(row, NetworkResource) and row.is_offered)
    ]
