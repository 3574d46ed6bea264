"""One call to a cloud, sent exactly once although a worker may die at any line.

OpenStack has no client token. So that a call is coming is written down before it is
sent, and its receipt after; a worker that finds the first without the second reads the
cloud before it sends again. The lost request might still be on its way: a call that
must not be carried out twice is not repeated before its own timeout has passed.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta

from django.utils import timezone

from compute.engine import queue
from compute.models.operation import Operation
from providers import errors
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud


class ClaimLostError(Exception):
    """Another worker has the operation by now: do nothing more."""


def send(operation: Operation, call: str, request: Callable[[str], Receipt]) -> Receipt:
    """Send a call, noting it before and its receipt after.

    ``request`` takes our request id. Raises `ClaimLostError` instead of sending when the
    lease ran out meanwhile, and whatever the cloud raises.
    """
    if not queue.hold(operation):
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


def may_still_arrive(operation: Operation, cloud: Cloud) -> float:
    """Return the seconds for which to wait: the lost request could still arrive."""
    if operation.issued_at is None:
        return 0.0
    safe = operation.issued_at + timedelta(seconds=cloud.call_timeout)
    return max(0.0, (safe - timezone.now()).total_seconds())
