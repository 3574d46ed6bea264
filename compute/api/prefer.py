"""`Prefer: wait=N` (RFC 7240): answer a write when its operation has ended."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

from django.conf import settings
from rest_framework.request import Request

from compute.errors import OperationInProgress
from compute.models import Operation
from compute.models.operation import LIVE

_waiters = 0
_waiters_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Preference:
    #: Seconds to wait; 0 answers at once.
    wait: float
    #: What Preference-Applied says when the preference was honoured.
    applied: str | None


def preference(request: Request, *, default: float) -> Preference:
    """Return what the client prefers; ``default`` seconds if it does not say."""
    named: dict[str, str] = {}
    for item in _items(request.headers.get("Prefer", "")):
        # Its parameters, after the semicolon, are for preferences that are not ours.
        name, _, value = item.partition(";")[0].partition("=")
        # RFC 7240: of a preference given twice, the first counts.
        named.setdefault(name.strip().lower(), value.strip().strip('"'))
    if re.fullmatch(r"[0-9]{1,9}", named.get("wait", "")):
        seconds = min(int(named["wait"]), settings.API_MAX_WAIT_SECONDS)
        return Preference(seconds, f"wait={seconds}")
    if "respond-async" in named:
        return Preference(0, "respond-async")
    return Preference(min(default, settings.API_MAX_WAIT_SECONDS), None)


def _items(header: str) -> Iterator[str]:
    """Yield what stands between the commas outside of quoted strings.

    One pass, however the header ends: a regular expression that tries again at every
    quote takes quadratic time.
    """
    start, quoted, escaped = 0, False, False
    for index, character in enumerate(header):
        if escaped:
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            yield header[start:index]
            start = index + 1
    yield header[start:]


@contextmanager
def _waiter() -> Iterator[bool]:
    """Yield whether there is room for one more request that waits.

    Each holds a thread and a database connection, so a process takes a limited number.
    """
    global _waiters
    with _waiters_lock:
        admitted = _waiters < settings.API_MAX_WAITERS
        _waiters += admitted
    try:
        yield admitted
    finally:
        with _waiters_lock:
            _waiters -= admitted


def wait_for_end(operation_id: UUID | str, *, deadline: float) -> bool:
    """Block until the operation ends or ``time.monotonic()`` reaches the deadline.

    Each look is its own query outside of any transaction, so that it sees what the
    worker committed and holds no lock.
    """
    begun = time.monotonic()
    while True:
        status = (
            Operation.objects.filter(pk=operation_id)
            .values_list("status", flat=True)
            .first()
        )
        if status not in LIVE:
            return True
        now = time.monotonic()
        if now >= deadline:
            return False
        time.sleep(min(pause_after(now - begun), deadline - now))


def pause_after(waited: float) -> float:
    """Return the seconds until the next look: a twentieth of the wait so far.

    So an answer is late by a small part of what it took, for few queries.
    """
    return min(max(0.02, waited / 20), 0.25)


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
    with _waiter() as admitted:
        if not admitted:
            return _at_once(call(), None)
        deadline = time.monotonic() + wanted.wait
        resource = _queue(call, deadline=deadline)
        operation_id = operation_of(resource)
        ended = wait_for_end(operation_id, deadline=deadline)
        return Outcome(resource, operation_id, True, ended, wanted.applied)


def _at_once(resource: R, applied: str | None) -> Outcome[R]:
    return Outcome(resource, operation_of(resource), False, False, applied)


def again(request: Request, operation: Operation) -> Outcome[Any]:
    """Return what a write came to that was asked for before, waiting as preferred."""
    applied = long_poll(request, operation, default=settings.API_DEFAULT_WAIT_SECONDS)
    operation.refresh_from_db(fields=["status"])
    target = operation.vm if operation.target_type == "vm" else operation.snapshot
    ended = not operation.is_live
    return Outcome(target, operation.pk, True, ended, applied)


def operation_of(resource: HasOperation) -> UUID:
    """Return the operation that a service has started."""
    if resource.operation_id is None:
        raise RuntimeError("a service returned a resource without its operation")
    return resource.operation_id


def _queue(call: Callable[[], R], *, deadline: float) -> R:
    while True:
        try:
            return call()
        except OperationInProgress as busy:
            blocking = busy.members.get("operation_id")
            if blocking is None or not wait_for_end(blocking, deadline=deadline):
                raise
            # Others may take the VM first, again and again.
            if time.monotonic() >= deadline:
                raise


def long_poll(
    request: Request, operation: Operation, *, default: float = 0
) -> str | None:
    """Wait for an operation as the client prefers; return what was applied.

    ``None``: it did not say, or there was no room to wait.
    """
    wanted = preference(request, default=default)
    if wanted.wait == 0 or not operation.is_live:
        return wanted.applied
    with _waiter() as admitted:
        if not admitted:
            return None
        wait_for_end(operation.pk, deadline=time.monotonic() + wanted.wait)
        return wanted.applied
