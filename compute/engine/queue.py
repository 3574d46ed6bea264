"""The durable work list: submit, claim, hold, park, wake, close.

An Operation row is written in the transaction that changes its target, so a rollback
leaves no work and a lost message loses none. `compute.engine.runner` runs it.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compute import statements
from compute.engine import work
from compute.engine.work import Cancelled, Done, End, Failed, Waiting
from compute.errors import OperationInProgress
from compute.events import Actor
from compute.models.operation import (
    Occupation,
    Operation,
    OperationStatus,
    OperationType,
)
from compute.models.owned import CloudResource

log = logging.getLogger(__name__)

#: Seconds that a broker has for each step of taking a message: a request waits for it.
#: The names are those of Redis' and of AMQP's client.
BROKER_TIMEOUTS = dict.fromkeys(
    ("socket_timeout", "socket_connect_timeout", "read_timeout", "write_timeout"), 1.0
)

_STATUSES = {
    Done: OperationStatus.SUCCEEDED,
    Failed: OperationStatus.FAILED,
    Cancelled: OperationStatus.CANCELLED,
}


# Announcing work


class Announce(Protocol):
    def __call__(
        self, operation_id: uuid.UUID, *, cloud: str, after: float
    ) -> None: ...


def _nobody(operation_id: uuid.UUID, *, cloud: str, after: float) -> None:
    """Leave the work to the next sweep."""


_announce: Announce = _nobody


def on_work(announce: Announce) -> None:
    """Set who is told, after commit, that an operation wants a worker.

    The one upward call of the engine: `compute.apps` fills it. Losing it loses no work,
    only time: `compute.engine.runner.sweep` finds the row.
    """
    global _announce  # the hook is process-wide by nature
    _announce = announce


def announce(operation: Operation, *, after: float = 0.0) -> None:
    """Tell the workers of an operation once the transaction is committed.

    If that fails the sweep finds it: what is committed is no error.
    """
    transaction.on_commit(
        lambda: _announce(operation.pk, cloud=operation.cloud, after=after),
        robust=True,
    )


# The request half


def check_free(target: CloudResource) -> None:
    """Raise OperationInProgress, naming it, if an operation occupies the target.

    `submit` decides; this is for a refusal that comes before any other.
    """
    live = target.live_operation
    if live is not None:
        raise _in_progress(live)


def _in_progress(live: Operation) -> OperationInProgress:
    return OperationInProgress(
        f"Operation {live.pk} ({live.type}) is in progress.",
        operation_id=str(live.pk),
    )


def submit(
    type: OperationType,
    *,
    actor: Actor,
    target: CloudResource,
    related: CloudResource | None = None,
    holds: Sequence[CloudResource] = (),
    params: Mapping[str, Any] | None = None,
    from_status: str = "",
    end_status: str = "",
) -> Operation:
    """Write the operation of a change in the change's own transaction.

    It occupies its target, ``related`` and what else it ``holds``. Raises
    OperationInProgress, naming the other, if one of them is occupied.
    """
    now = timezone.now()
    operation = Operation(
        type=type,
        project_id=target.project_id,
        cloud=target.cloud,
        target_kind=target.kind,
        target_id=target.pk,
        related_kind=related.kind if related else "",
        related_id=related.pk if related else None,
        params=dict(params or {}),
        from_status=from_status,
        end_status=end_status,
        requested_by=actor.name,
        request_id=actor.request_id,
        deadline=now + timedelta(seconds=settings.OPERATION_DEADLINE_SECONDS),
        created_at=now,
        updated_at=now,
    )
    statements.insert(operation)
    _occupy(operation, [target, *([related] if related else []), *holds])
    announce(operation)
    return operation


def _occupy(operation: Operation, things: Sequence[CloudResource]) -> None:
    # In one order always: who comes second waits here for the first to commit.
    for kind, id in sorted((thing.kind, thing.pk) for thing in things):
        place = Occupation(operation=operation, kind=kind, target_id=id)
        while not statements.insert(place, unless_taken=True):
            winner = Operation.objects.occupying(kind, id)
            if winner is not None:
                raise _in_progress(winner)
            # It ended between the two statements: the place is free.


# The perform half


def claim(operation_id: uuid.UUID) -> Operation | None:
    """Take an operation for this worker, or return ``None`` if another has it.

    One conditional update decides; the lease lets a later worker take over from one
    that died.
    """
    now = timezone.now()
    taken = (
        Operation.objects.filter(pk=operation_id)
        .claimable(now)
        .update(
            status=OperationStatus.RUNNING,
            lease_until=now + timedelta(seconds=settings.OPERATION_LEASE_SECONDS),
            attempts=F("attempts") + 1,
            updated_at=now,
        )
    )
    if not taken:
        return None
    operation = Operation.objects.get(pk=operation_id)
    if operation.started_at is None:
        operation.started_at = now
        Operation.objects.filter(pk=operation_id).update(started_at=now)
    return operation


def hold(operation: Operation) -> bool:
    """Renew the lease of this worker's claim; return False if it is lost.

    A worker that was stopped for longer than its lease must not act on the cloud:
    another has the operation by now.
    """
    now = timezone.now()
    return bool(
        Operation.objects.filter(
            pk=operation.pk,
            status=OperationStatus.RUNNING,
            attempts=operation.attempts,
        ).update(lease_until=now + timedelta(seconds=settings.OPERATION_LEASE_SECONDS))
    )


def park(operation: Operation, waiting: Waiting) -> None:
    """Leave a claimed operation to the cloud and the next pass of observation.

    If a cancel was asked for meanwhile a worker shall look again at once.
    """
    now = timezone.now()
    mine = Operation.objects.filter(
        pk=operation.pk,
        status=OperationStatus.RUNNING,
        attempts=operation.attempts,
    )
    parked = mine.filter(cancel_requested=operation.cancel_requested).update(
        lease_until=None,
        failures=0,
        step=waiting.step,
        progress=waiting.progress,
        updated_at=now,
    )
    if not parked:
        wake(operation)


def wake(
    operation: Operation, *, after: float = 0.0, failed: bool = False, step: str = ""
) -> None:
    """Have a worker look at a running operation, in ``after`` seconds.

    Until then people are told the ``step``.
    """
    now = timezone.now()
    Operation.objects.filter(
        pk=operation.pk,
        status=OperationStatus.RUNNING,
        attempts=operation.attempts,
    ).update(
        lease_until=now + timedelta(seconds=after),
        failures=F("failures") + 1 if failed else F("failures"),
        step=step,
        updated_at=now,
    )
    announce(operation, after=after)


def show_progress(operation: Operation, waiting: Waiting) -> None:
    """Note how far the cloud has come; costs nothing when nothing changed."""
    if (operation.step, operation.progress) == (waiting.step, waiting.progress):
        return
    Operation.objects.waiting().filter(pk=operation.pk).update(
        step=waiting.step, progress=waiting.progress
    )


def close(operation: Operation, end: End) -> bool:
    """End an operation; return False if somebody else ended it first.

    Call it under the target's row lock, in the transaction that settles the target.
    """
    now = timezone.now()
    status = _STATUSES[type(end)]
    closed = (
        Operation.objects.filter(pk=operation.pk)
        .live()
        .update(
            status=status,
            error=end.problem.document() if isinstance(end, Failed) else None,
            progress=100 if status == OperationStatus.SUCCEEDED else F("progress"),
            step="",
            lease_until=None,
            finished_at=now,
            updated_at=now,
        )
    )
    if not closed:
        return False
    Occupation.objects.filter(operation=operation).delete()
    operation.refresh_from_db(fields=["status", "error", "finished_at"])
    if isinstance(end, Failed):
        log.warning("%s failed: %s", operation, end.problem)
    else:
        log.info("%s ended: %s", operation, type(end).__name__)
    return True


def request_cancel(operation: Operation) -> None:
    """Have a worker undo a running operation as soon as none is busy with it."""
    now = timezone.now()
    Operation.objects.live().filter(pk=operation.pk).update(
        cancel_requested=True, updated_at=now
    )
    Operation.objects.waiting().filter(pk=operation.pk).update(lease_until=now)
    announce(operation)


def has_live(cloud: str, service: str) -> bool:
    """Whether any operation that shows in a service of a cloud has not ended."""
    live = Operation.objects.live().filter(cloud=cloud)
    return live.filter(type__in=work.types_in(service)).exists()
