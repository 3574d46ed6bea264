"""What services do with a row of whatever noun: lock it, change it, record its end."""

from collections.abc import Mapping
from typing import Any, TypeVar

from compute import events
from compute.errors import NotFound
from compute.events import SYSTEM, Actor
from compute.expected import Expect, check_expected
from compute.models import Operation
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
            data=changed,
        )
    return row


def require_editable(changes: Mapping[str, Any], editable: frozenset[str]) -> None:
    """Raise ValueError for a change of a field that is not editable."""
    unknown = changes.keys() - editable
    if unknown:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")


def record_end(
    row: CloudResource,
    operation: Operation,
    *,
    before: str,
    related: Owned | None = None,
) -> None:
    """Record that an operation has ended, and what that made of its target."""
    actor = Actor(SYSTEM.name, request_id=operation.request_id)
    events.record(
        "operation.finished",
        actor=actor,
        subject=row,
        related=related,
        operation=operation,
        data={"status": operation.status, "error": operation.error},
    )
    events.record(
        f"{row.kind}.deleted" if row.deleted_at else f"{row.kind}.updated",
        actor=actor,
        subject=row,
        related=related,
        operation=operation,
        data={"status": [before, row.status]},
    )


def record_change(
    row: CloudResource, operation: Operation, changes: Mapping[str, Any]
) -> None:
    """Record what the end of an operation changed of another row than its target."""
    events.record(
        f"{row.kind}.deleted" if row.deleted_at else f"{row.kind}.updated",
        actor=Actor(SYSTEM.name, request_id=operation.request_id),
        subject=row,
        operation=operation,
        data=changes,
    )
