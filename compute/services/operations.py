"""The engine: run operations in a worker, sweep up after dead ones, cancel.

`PERFORM` is the table from a type of operation to the function that does it. Such a
function is safe to run twice and to be killed at any line; `outbox` says what it may
answer.
"""

import logging
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_fsm import ConcurrentTransition

from compute import clouds, events
from compute.errors import (
    InternalError,
    NotCancellable,
    OpenStackTimeout,
    ServerVanished,
    from_provider,
)
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import VM, Operation, OperationStatus, OperationType, VMStatus
from compute.services import (
    builds,
    calls,
    observed,
    outbox,
    resizes,
    settling,
    snapshots,
    verbs,
)
from compute.services.outbox import (
    Again,
    Cancelled,
    Done,
    Failed,
    Outcome,
    Waiting,
)
from providers.base import Provider
from providers.errors import Conflict, NotFound, ProviderError

log = logging.getLogger(__name__)

Perform = Callable[[Operation, Provider], Outcome]

PERFORM: dict[str, Perform] = {
    OperationType.VM_CREATE: builds.perform_create,
    OperationType.VM_START: verbs.perform_start,
    OperationType.VM_STOP: verbs.perform_stop,
    OperationType.VM_REBOOT: verbs.perform_reboot,
    OperationType.VM_RESIZE: resizes.perform_resize,
    OperationType.VM_REBUILD: verbs.perform_rebuild,
    OperationType.VM_RESTORE: verbs.perform_rebuild,
    OperationType.VM_PAUSE: verbs.perform_pause,
    OperationType.VM_UNPAUSE: verbs.perform_unpause,
    OperationType.VM_SUSPEND: verbs.perform_suspend,
    OperationType.VM_RESUME: verbs.perform_resume,
    OperationType.VM_SHELVE: verbs.perform_shelve,
    OperationType.VM_UNSHELVE: verbs.perform_unshelve,
    OperationType.VM_RESCUE: verbs.perform_rescue,
    OperationType.VM_UNRESCUE: verbs.perform_unrescue,
    OperationType.VM_DELETE: builds.perform_delete,
    OperationType.SNAPSHOT_CREATE: snapshots.perform_create,
    OperationType.SNAPSHOT_DELETE: snapshots.perform_delete,
}

#: Retryable failures in a row after which an operation is given up.
MAX_FAILURES = 6
#: An announcement that nobody answered for so long is taken as lost, in seconds.
LOST_AFTER_SECONDS = 5.0


def run(operation_id: uuid.UUID) -> Operation | None:
    """Take one operation and bring it one step further; return it if it was ours.

    Never raises for what a cloud does: that ends in the operation.
    """
    operation = outbox.claim(operation_id)
    if operation is None:
        return None
    with _logged_as(operation):
        log.info("Running %s, attempt %s", operation.type, operation.attempts)
        try:
            outcome = _perform(operation)
            settle(operation, outcome)
        except (calls.ClaimLostError, ConcurrentTransition):
            log.warning("Another worker has taken %s over", operation)
    return operation


def _perform(operation: Operation) -> Outcome:
    try:
        provider = clouds.provider(operation.cloud)
    except KeyError:
        detail = f"The cloud {operation.cloud} is not configured any more."
        return Failed(InternalError(detail), _status_before(operation))
    try:
        if timezone.now() >= operation.deadline:
            return _expire(operation)
        return PERFORM[operation.type](operation, provider)
    except ProviderError as error:
        return _after_error(operation, provider, error)
    except (calls.ClaimLostError, ConcurrentTransition):
        raise
    except Exception:
        # A defect of ours must neither kill the worker nor strand the VM.
        log.exception("%s failed unexpectedly", operation)
        problem = InternalError("The service failed; its log has the reason.")
        return _retry(operation) or Failed(problem)


def _expire(operation: Operation) -> Failed:
    seconds = round((operation.deadline - operation.created_at).total_seconds())
    return Failed(OpenStackTimeout(f"Not finished within {seconds} seconds."))


def _after_error(
    operation: Operation, provider: Provider, error: ProviderError
) -> Outcome:
    """Decide what a failed call to the cloud means for the operation."""
    log.warning("%s: %s", type(error).__name__, error)
    if isinstance(error, Conflict | NotFound) and operation.target_type == "vm":
        return _after_refusal(operation, provider, error)
    # A call that may have been carried out is looked for before it is sent again.
    retry = error.retryable or error.ambiguous
    again = _retry(operation, error.retry_after) if retry else None
    return again or Failed(from_provider(error))


def _after_refusal(
    operation: Operation, provider: Provider, error: Conflict | NotFound
) -> Outcome:
    """Re-read a server that refused: it may be gone, or busy for a moment.

    Nova's tasks end a little after their result shows, and a server it has just made
    may not be known everywhere.
    """
    server_id = operation.vm.server_id if operation.vm else ""
    if not server_id:
        return Failed(from_provider(error))
    try:
        server = observed.read(provider, server_id)
    except ProviderError as silence:
        again = _retry(operation, silence.retry_after)
        return again or Failed(from_provider(error))
    if server is None:
        return verbs.vanished()
    if server.task_state is not None or isinstance(error, NotFound):
        again = _retry(operation)
        if again is not None:
            return again
    if verbs.is_done(operation, server):
        return Done(operation.end_status, server)
    return Failed(from_provider(error), server=server)


def _retry(operation: Operation, retry_after: float | None = None) -> Again | None:
    """Return when to try again, or ``None`` when it was tried often enough.

    Never sooner than the cloud asked for.
    """
    if operation.failures + 1 >= MAX_FAILURES:
        return None
    pause = settings.OPERATION_RETRY_SECONDS * 2**operation.failures
    return Again(max(pause, retry_after or 0.0), failed=True)


def settle(operation: Operation, outcome: Outcome) -> None:
    """Store what one look at an operation brought."""
    with _logged_as(operation):
        match outcome:
            case Waiting():
                outbox.park(operation, outcome)
            case Again():
                outbox.wake(operation, after=outcome.after, failed=outcome.failed)
            case Failed(status=None):
                finish(operation, _where_it_rests(operation, outcome))
            case _:
                finish(operation, outcome)


def _logged_as(operation: Operation) -> AbstractContextManager[None]:
    """Have every line of the work carry what it was asked for by, and is about."""
    return structlog.contextvars.bound_contextvars(
        request_id=operation.request_id,
        operation_id=str(operation.pk),
        vm_id=str(operation.vm_id or ""),
    )


def finish(operation: Operation, outcome: Done | Failed | Cancelled) -> None:
    """End an operation and settle its target."""
    if isinstance(outcome, Failed):
        log.warning("%s failed: %s", operation, outcome.problem)
    else:
        log.info("%s ended: %s", operation, type(outcome).__name__)
    if operation.target_type == "vm":
        settling.finish(operation, outcome)
    else:
        snapshots.finish(operation, outcome)


def _where_it_rests(operation: Operation, failed: Failed) -> Failed:
    """Ask the cloud where a failed operation has left its target."""
    if operation.target_type == "snapshot" or operation.vm is None:
        return Failed(failed.problem, _status_before(operation))
    server = failed.server
    try:
        if server is None and operation.vm.server_id:
            provider = clouds.provider(operation.cloud)
            server = provider.get_server(operation.vm.server_id)
    except NotFound:
        gone = ServerVanished("The server no longer exists in the cloud.")
        return Failed(gone, VMStatus.ERROR)
    except ProviderError:
        return Failed(failed.problem, _status_before(operation))
    if server is None or operation.type == OperationType.VM_CREATE:
        return Failed(failed.problem, _status_before(operation), server)
    # It still moves: ERROR is for the cloud to say, a pass sees where it ends.
    status = observed.RESTING_STATUSES.get(server.status) or _status_before(operation)
    return Failed(failed.problem, status, server)


def _status_before(operation: Operation) -> str:
    # Nothing was before a create.
    return operation.from_status or VMStatus.ERROR


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
    found = {op.pk: op for op in (*lost.order_by("updated_at")[:1000], *late)}
    for operation in found.values():
        outbox.announce(operation)
    # So that the next sweep leaves them time to be taken.
    Operation.objects.live().filter(pk__in=found).update(updated_at=now)
    return len(found)


def cancel(operation: Operation, *, actor: Actor, expect: Expect = None) -> Operation:
    """Undo an operation: what no worker has taken is forgotten, a create removed.

    Raises NotCancellable for anything else. Best effort: a create may end first.
    """
    with transaction.atomic():
        # The target first, as everywhere, so that no two requests wait crosswise.
        list(VM.objects.select_for_update(no_key=True).filter(pk=operation.vm_id))
        operation = Operation.objects.select_related("vm", "snapshot").get(
            pk=operation.pk
        )
        check_expected(operation, expect)
        # Taking it ourselves is what keeps a worker from taking it meanwhile.
        pending = operation.status == OperationStatus.PENDING
        taken = outbox.claim(operation.pk) if pending else None
        changes: dict[str, Any] = {"cancel_requested": [False, True]}
        if taken is not None:
            finish(taken, Cancelled())
            changes = {"status": ["PENDING", "CANCELLED"]}
        elif operation.type == OperationType.VM_CREATE and operation.cancellable:
            outbox.request_cancel(operation)
        else:
            raise NotCancellable(
                f"{operation.type} is {operation.status} and cannot be cancelled."
            )
        events.record(
            "operation.updated",
            actor=actor,
            vm=operation.vm,
            snapshot=operation.snapshot,
            operation=operation,
            data=changes,
        )
        operation.refresh_from_db()
    return operation
