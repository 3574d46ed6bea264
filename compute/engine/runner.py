"""Run operations in a worker, sweep up after dead ones, cancel.

What is done for a type of operation is its `Work`.
"""

import logging
import uuid
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from compute import clouds, events
from compute.cloud_errors import from_provider
from compute.engine import calls, health, queue, work
from compute.engine.work import Again, Answer, Cancelled, Failed, Waiting
from compute.errors import (
    InternalError,
    NotCancellable,
    OpenStackTimeout,
)
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models.cloud import SERVICE_TYPES
from compute.models.operation import LIVE, Operation, OperationStatus
from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound, ProviderError, Unavailable

log = logging.getLogger(__name__)

#: Retryable failures in a row after which an operation is given up.
MAX_FAILURES = 6
#: An announcement that nobody answered for so long is taken as lost, in seconds.
LOST_AFTER_SECONDS = 5.0


def run(operation_id: uuid.UUID) -> Operation | None:
    """Take one operation and bring it one step further; return it if it was ours.

    Never raises for what a cloud does: that ends in the operation.
    """
    operation = queue.claim(operation_id)
    if operation is None:
        return None
    with _logged_as(operation):
        log.info("Running %s, attempt %s", operation.type, operation.attempts)
        try:
            take(operation, _perform(operation))
        except calls.ClaimLostError:
            log.warning("Another worker has taken %s over", operation)
    return operation


def _perform(operation: Operation) -> Answer:
    try:
        cloud = clouds.get(operation.cloud)
    except KeyError:
        detail = f"The cloud {operation.cloud} is no longer configured."
        return Failed(InternalError(detail))
    try:
        if timezone.now() >= operation.deadline:
            seconds = round((operation.deadline - operation.created_at).total_seconds())
            return Failed(OpenStackTimeout(f"Not finished within {seconds} seconds."))
        return work.of(operation).perform(operation, cloud)
    except ProviderError as error:
        return _after_error(operation, cloud, error)
    except calls.ClaimLostError:
        raise
    except Exception:
        # A defect of ours must neither kill the worker nor strand the target.
        log.exception("%s failed unexpectedly", operation)
        problem = InternalError("The service failed; its log has the reason.")
        return retry(operation) or Failed(problem)


def _after_error(operation: Operation, cloud: Cloud, error: ProviderError) -> Answer:
    """Decide what a failed call to the cloud means for the operation."""
    log.warning("%s: %s", type(error).__name__, error)
    refused = work.of(operation).refused
    if isinstance(error, Conflict | NotFound) and refused is not None:
        return refused(operation, cloud, error)
    # A call that may have been carried out is looked for before it is sent again.
    may_retry = error.retryable or error.ambiguous
    again = retry(operation, error) if may_retry else None
    return again or Failed(from_provider(error))


def retry(operation: Operation, error: ProviderError | None = None) -> Again | None:
    """Return when to try again, or ``None`` when it was tried often enough.

    Never sooner than the cloud asked for. An operation outlives a service that is away,
    up to its own deadline; a call that fails while passes over the service succeed does
    not.
    """
    pause = float(settings.OPERATION_RETRY_SECONDS * 2**operation.failures)
    pause = max(pause, (error and error.retry_after) or 0.0)
    if isinstance(error, Unavailable):
        service = SERVICE_TYPES.get(error.service, work.of(operation).service)
        away_for = health.away_for(operation.cloud, service)
        if away_for is not None:
            pause += away_for
            if timezone.now() + timedelta(seconds=pause) >= operation.deadline:
                return None
            return Again(pause, step=f"waiting for {error.service}")
    if operation.failures + 1 >= MAX_FAILURES:
        return None
    return Again(pause, failed=True)


def look(cloud: str, service: str, listing: Any, *, started: datetime) -> None:
    """Read from what a pass over a service has listed how far its operations are.

    ``started`` is when the pass began.
    """
    # A call that was answered after the pass began may not show in it yet.
    waiting = Operation.objects.waiting().filter(
        cloud=cloud, type__in=work.types_in(service), updated_at__lte=started
    )
    for operation in list(waiting):
        try:
            _look(operation, listing)
        except Exception:
            # One target that cannot be settled now must not stop the others' pass.
            log.exception("Could not settle %s", operation)


def _look(operation: Operation, listing: Any) -> None:
    how = work.of(operation)
    answer = how.look(operation, listing) if how.look else None
    match answer:
        case None:
            return
        case Waiting():
            queue.show_progress(operation, answer)
        case _:
            take(operation, answer)


def take(operation: Operation, answer: Answer) -> None:
    """Store what one look at an operation brought."""
    with _logged_as(operation):
        match answer:
            case Waiting():
                queue.park(operation, answer)
            case Again():
                queue.wake(
                    operation,
                    after=answer.after,
                    failed=answer.failed,
                    step=answer.step,
                )
            case _:
                work.of(operation).settle(operation, answer)


def _logged_as(operation: Operation) -> AbstractContextManager[None]:
    """Have every line of the work carry what it was asked for by, and is about."""
    about = {f"{operation.target_kind}_id": str(operation.target_id)}
    if operation.related_kind:
        about[f"{operation.related_kind}_id"] = str(operation.related_id)
    return structlog.contextvars.bound_contextvars(
        request_id=operation.request_id, operation_id=str(operation.pk), **about
    )


def sweep() -> int:
    """Announce again what no worker has; return how much that was.

    Finds operations whose announcement was lost, whose worker died, and whose
    deadline has passed while they waited for the cloud.
    """
    now = timezone.now()
    overdue = Operation.objects.waiting().filter(deadline__lte=now)
    overdue.update(lease_until=now, updated_at=now)
    stale = now - timedelta(seconds=LOST_AFTER_SECONDS)
    lost = Operation.objects.claimable(now).filter(updated_at__lte=stale)
    late = Operation.objects.claimable(now).filter(deadline__lte=now)
    # Longest untouched first: those of a cloud that hangs keep no others from a turn.
    operations = {op.pk: op for op in (*lost.order_by("updated_at")[:1000], *late)}
    for operation in operations.values():
        queue.announce(operation)
    # So that the next sweep leaves them time to be taken.
    Operation.objects.live().filter(pk__in=operations).update(updated_at=now)
    return len(operations)


def is_cancellable(operation: Operation) -> bool:
    """Whether a cancel would be accepted now.

    What no worker took can be forgotten. OpenStack cannot stop an action under way; a
    few can be undone.
    """
    return takes_cancel(
        operation.type, operation.status, cancel_requested=operation.cancel_requested
    )


def takes_cancel(type: str, status: str, *, cancel_requested: bool) -> bool:
    """Do as `is_cancellable`, from what a row of a list holds."""
    if status not in LIVE or cancel_requested:
        return False
    return status == OperationStatus.PENDING or work.of_type(type).undoable


def cancel(operation: Operation, *, actor: Actor, expect: Expect = None) -> Operation:
    """Undo an operation: what no worker has taken is forgotten, what was begun undone.

    Raises NotCancellable if it cannot be undone. Best effort: it may end first.
    """
    with transaction.atomic():
        how = work.of(operation)
        how.lock(operation)
        operation = Operation.objects.get(pk=operation.pk)
        check_expected(operation, expect)
        # Taking it ourselves is what keeps a worker from taking it meanwhile.
        pending = operation.status == OperationStatus.PENDING
        taken = queue.claim(operation.pk) if pending else None
        changes: dict[str, Any] = {"cancel_requested": [False, True]}
        if taken is not None:
            how.settle(taken, Cancelled())
            changes = {"status": ["PENDING", "CANCELLED"]}
        elif how.undoable and is_cancellable(operation):
            queue.request_cancel(operation)
        else:
            raise NotCancellable(
                f"{operation.type} is {operation.status} and cannot be cancelled."
            )
        events.record(
            "operation.updated",
            actor=actor,
            operation=operation,
            changes=changes,
        )
        operation.refresh_from_db()
    return operation
