"""`Prefer: wait`: answer when what was asked for has ended."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request

from compute.api.http.prefer import preference
from compute.engine import waiting
from compute.models import Operation, kinds


class HasOperation(Protocol):
    operation_id: UUID | None


R = TypeVar("R", bound=HasOperation)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[R]):
    #: As the service returned it, so older than the wait.
    resource: R
    operation_id: UUID
    waited: bool
    ended: bool
    applied: str | None


def submit(request: Request, call: Callable[[], R]) -> Outcome[R]:
    """Call a service; then wait as long as the client prefers.

    While the VM is busy and there is time left, it queues for it: the wait is first
    for the operation in the way, then, within the same budget, for its own.
    """
    wanted = preference(request, default=settings.API_DEFAULT_WAIT_SECONDS)
    if wanted.wait == 0:
        return _at_once(call(), wanted.applied)
    with waiting.place(request) as wait:
        if wait is None:
            return _at_once(call(), None)
        deadline = time.monotonic() + wanted.wait
        resource = wait.queue(call, deadline=deadline)
        operation_id = operation_of(resource)
        ended = wait.until_end(operation_id, deadline=deadline)
        return Outcome(resource, operation_id, True, ended, wanted.applied)


def _at_once(resource: R, applied: str | None) -> Outcome[R]:
    return Outcome(resource, operation_of(resource), False, False, applied)


def again(request: Request, operation: Operation) -> Outcome[Any]:
    """Return what a write came to that was asked for before, waiting as preferred."""
    applied = long_poll(request, operation, default=settings.API_DEFAULT_WAIT_SECONDS)
    operation.refresh_from_db(fields=["status"])
    target = kinds.target(operation)
    ended = not operation.is_live
    return Outcome(target, operation.pk, True, ended, applied)


def operation_of(resource: HasOperation) -> UUID:
    """Return the operation that a service has started."""
    if resource.operation_id is None:
        raise RuntimeError("a service returned a resource without its operation")
    return resource.operation_id


def long_poll(
    request: Request, operation: Operation, *, default: float = 0
) -> str | None:
    """Wait for an operation as the client prefers; return what was applied.

    ``None``: it did not say, or there was no room to wait.
    """
    wanted = preference(request, default=default)
    if wanted.wait == 0 or not operation.is_live:
        return wanted.applied
    with waiting.place(request) as wait:
        if wait is None:
            return None
        wait.until_end(operation.pk, deadline=time.monotonic() + wanted.wait)
        return wanted.applied
