"""One call to a cloud, sent exactly once although a worker may die at any line.

Nova has no client token. So that a call is coming is written down before it is sent,
and its receipt after; a worker that finds the first without the second reads the
cloud before it sends again. The lost request might still be on its way: a call that
must not be carried out twice is not repeated before its own timeout has passed.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from compute.errors import OpenStackError
from compute.models import Operation
from compute.services import outbox
from compute.services.outbox import Again, Failed, Outcome, Waiting
from providers import errors
from providers.base import Provider, Receipt, Server, ServerAction

#: Clocks of the cloud and ours may differ by this much.
CLOCK_SKEW = timedelta(seconds=5)
#: How long the cloud may take to record an action it accepted.
RECORD_GRACE = timedelta(seconds=30)
#: Not harmless when carried out twice, one after the other: a second server or image,
#: a restart or a wiped disk too many; and of a second confirmation Nova says 400 while
#: the first is under way. Of all others the server's status shows the end, and Nova
#: refuses them there.
ONCE_ONLY = frozenset(
    {
        "create_server",
        "rebuild_server",
        "reboot_server",
        "resize_server",
        "confirm_resize",
        "snapshot_server",
    }
)
#: How soon to ask again for a record that is not finished, in seconds.
RECORD_POLL_SECONDS = 1.0


class ClaimLostError(Exception):
    """Another worker has the operation by now: do nothing more."""


def send(operation: Operation, call: str, request: Callable[[str], Receipt]) -> Receipt:
    """Send a call, noting it before and its receipt after.

    ``request`` takes our request id. Raises `ClaimLostError` instead of sending when the
    lease ran out meanwhile, and whatever the provider raises.
    """
    if not outbox.holds(operation):
        raise ClaimLostError
    operation.call = call
    operation.issued_at = timezone.now()
    operation.receipt = ""
    operation.save(update_fields=["call", "issued_at", "receipt"])
    try:
        receipt = request(request_id(operation))
    except errors.ProviderError as error:
        if not error.ambiguous:
            # Refused: nothing was begun, so a retry need not look for it.
            forget(operation)
        raise
    operation.receipt = receipt.request_id or ""
    operation.save(update_fields=["receipt"])
    return receipt


def request_id(operation: Operation) -> str:
    """Return the id under which the cloud shall log what we do for an operation."""
    return operation.request_id or f"req-{uuid.uuid4()}"


def older_than(operation: Operation, seconds: float) -> bool:
    """Whether the call under way was sent longer ago than this."""
    sent = operation.issued_at
    return sent is not None and timezone.now() > sent + timedelta(seconds=seconds)


def forget(operation: Operation) -> None:
    """Note that no call is under way."""
    operation.call = ""
    operation.issued_at = None
    operation.receipt = ""
    operation.save(update_fields=["call", "issued_at", "receipt"])


def may_still_arrive(operation: Operation, provider: Provider) -> float:
    """Return the seconds for which to wait: the lost request could still arrive."""
    if operation.issued_at is None or operation.call not in ONCE_ONLY:
        return 0.0
    safe = operation.issued_at + timedelta(seconds=provider.call_timeout)
    return max(0.0, (safe - timezone.now()).total_seconds())


def record_of(
    operation: Operation, provider: Provider, *, action: str, server_id: str
) -> ServerAction | None:
    """Return the cloud's record of the call under way.

    A call whose answer was lost is recognised as the newest record of its action that
    belongs to no other operation of ours and is not older than the call.
    """
    if not operation.receipt and not _find_receipt(
        operation, provider, action=action, server_id=server_id
    ):
        return None
    try:
        return provider.get_action(server_id, operation.receipt)
    except errors.NotFound:  # Nova's first moments
        return None


def _find_receipt(
    operation: Operation, provider: Provider, *, action: str, server_id: str
) -> bool:
    if operation.issued_at is None:
        return False
    earliest = operation.issued_at - CLOCK_SKEW
    candidates = [
        record
        for record in provider.list_actions(server_id)
        if record.action == action and record.started_at >= earliest
    ]
    taken = set(
        Operation.objects.filter(
            vm=operation.vm, receipt__in=[r.request_id for r in candidates]
        ).values_list("receipt", flat=True)
    )
    lost = next((r for r in candidates if r.request_id not in taken), None)
    if lost is None:
        return False
    operation.receipt = lost.request_id
    operation.save(update_fields=["receipt"])
    return True


def verify(
    operation: Operation, provider: Provider, *, action: str, server: Server
) -> Outcome | None:
    """Say from the cloud's record what became of the call under way.

    ``None``: it succeeded as far as the cloud knows. `Again` with the call forgotten:
    it never arrived and may be sent again.
    """
    record = record_of(operation, provider, action=action, server_id=server.id)
    if record is None:
        return _unrecorded(operation, provider, server=server)
    if not record.finished:
        if server.task_state is not None:
            return Waiting(step=server.task_state)
        return Again(RECORD_POLL_SECONDS)
    if record.error is not None:
        reason = server.fault.message if server.fault else record.error
        return Failed(
            OpenStackError(
                f"The cloud accepted {action} but did not carry it out: {reason}",
                openstack={
                    "service": "nova",
                    "status": server.fault.code if server.fault else None,
                    "message": reason,
                    "request_id": record.request_id,
                },
            ),
            server=server,
        )
    return None


def _unrecorded(
    operation: Operation, provider: Provider, *, server: Server
) -> Outcome | None:
    if operation.receipt and operation.issued_at is not None:
        if timezone.now() < operation.issued_at + RECORD_GRACE:
            return Again(RECORD_POLL_SECONDS)
        # Accepted, yet the cloud kept no record: only the status can tell.
        return None
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    remaining = may_still_arrive(operation, provider)
    if remaining > 0:
        return Again(remaining)
    forget(operation)
    return Again()
