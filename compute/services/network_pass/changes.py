"""Take over a change that was made outside."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction

from compute import events
from compute.events import SYSTEM
from compute.models import NetworkResource, ResourceStatus
from compute.models.kinds import held_by
from compute.models.owned import CloudResource
from compute.services import quotas, rows

R = TypeVar("R", bound=NetworkResource)


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over one cloud."""

    cloud: str
    started: datetime
    #: What operations held when it was followed.
    busy: frozenset[UUID]

    def may_correct(self, row: NetworkResource) -> bool:
        """Whether the listing is newer than all that we did to a locked row ourselves."""
        ended = row.operation.finished_at if row.operation else None
        return (
            row.deleted_at is None
            and row.status in (ResourceStatus.ACTIVE, ResourceStatus.ERROR)
            and (row.is_offered or row.created_at < self.started)
            and (row.operation is None or (ended is not None and ended < self.started))
        )


def correct(here: Pass, row: R, note: Callable[[R], Any]) -> R | None:
    """Have ``note`` write on a row what the cloud shows, unless an operation lives.

    Returns the row if it was corrected.
    """
    with transaction.atomic():
        locked = type(row).locked(row.pk)
        if not here.may_correct(locked):
            return None
        note(locked)
        save(locked)
    return locked


def save(row: CloudResource) -> None:
    """Save a locked row, and tell its project what a user sees changed of it."""
    _, changes = rows.save(row)
    if changes and row.project_id is not None:
        events.record(f"{row.kind}.updated", actor=SYSTEM, subject=row, changes=changes)


def vanish(here: Pass, row: NetworkResource) -> None:
    """Show a row whose thing was deleted outside as DELETED."""
    with transaction.atomic():
        locked = type(row).locked(row.pk)
        if not here.may_correct(locked):
            return
        held = held_by(locked)
        locked.vanish()
        locked.counted = False
        _, changes = rows.save(locked)
        if locked.is_offered:
            return
        quotas.settle(locked.project_id, before=held, after={})
        events.record(
            f"{locked.kind}.deleted",
            actor=SYSTEM,
            subject=locked,
            changes=changes,
        )
