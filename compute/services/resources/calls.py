"""Have a cloud make and remove things exactly once.

Neutron takes no client token, so what is created carries our id in its description, and
is looked for before a call is ever repeated.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import UUID

from compute.cloud_errors import from_provider
from compute.engine import calls, queue
from compute.engine.work import Again, Cancelled, Failed
from compute.errors import Problem, stored
from compute.models import Operation
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.networks import MARKER_PREFIX
from providers.errors import NotFound, ProviderError


class Row(Protocol):
    """A row that a cloud has something for."""

    pk: UUID
    provider_id: str

    def save(self, *, update_fields: Sequence[str]) -> None: ...


class Delete(Protocol):
    def __call__(self, id: str, /, *, request_id: str) -> Receipt: ...


class Find(Protocol):
    def __call__(self, *, marker: str) -> Sequence[Any]: ...


def marker_of(row: Row) -> str:
    """Return what tells in a cloud that a thing is this row's."""
    return f"{MARKER_PREFIX}{row.pk}"


def owner_of(marker: str) -> UUID | None:
    """Return the id of the row whose a thing with a marker is, if it is one of ours."""
    try:
        return (
            UUID(marker.removeprefix(MARKER_PREFIX))
            if marker.startswith(MARKER_PREFIX)
            else None
        )
    except ValueError:
        return None


def create_once(
    operation: Operation,
    cloud: Cloud,
    row: Row,
    call: str,
    *,
    find: Find,
    create: Callable[[str], Receipt],
) -> Again | None:
    """Create what a row stands for, or find what an attempt before this one created.

    ``create`` takes our request id. Returns when to look again, if a request that was
    lost may still arrive. Raises ProviderError and `calls.ClaimLostError`.
    """
    if row.provider_id:
        return None
    if operation.call == call:
        found = find(marker=marker_of(row))
        if found:
            _remember(operation, row, found[0].id)
            return None
        remaining = calls.may_still_arrive(operation, cloud)
        if remaining > 0:
            return Again(remaining)
    receipt = calls.send(operation, call, create)
    _remember(operation, row, receipt.created_id or "")
    return None


def _remember(operation: Operation, row: Row, provider_id: str) -> None:
    """Store the cloud's id, unless the operation was ended meanwhile.

    Then the thing is nobody's, and the next pass removes it.
    """
    if not queue.hold(operation):
        raise calls.ClaimLostError
    row.provider_id = provider_id
    row.save(update_fields=["provider_id"])
    calls.forget(operation)


def delete_once(
    operation: Operation,
    cloud: Cloud,
    row: Row,
    call: str,
    *,
    created_by: str,
    find: Find,
    delete: Delete,
) -> Again | None:
    """Delete what a row stands for; what is gone already counts as deleted.

    Where its id is not known it is looked for; if its creation (``created_by``) was
    lost, once that cannot arrive any more. Returns when to look again. Raises
    ProviderError and `calls.ClaimLostError`.
    """
    ids = [row.provider_id]
    if not row.provider_id:
        ids = [thing.id for thing in find(marker=marker_of(row))]
        if not ids and operation.call == created_by:
            remaining = calls.may_still_arrive(operation, cloud)
            if remaining > 0:
                return Again(remaining)
    for id in ids:

        def request(request_id: str, id: str = id) -> Receipt:
            return delete(id, request_id=request_id)

        try:
            calls.send(operation, call, request)
        except NotFound:
            continue
    return None


def give_up(operation: Operation, why: ProviderError | Problem) -> Again:
    """Note why an operation fails, so that whoever comes next undoes what was made.

    Then `given_up` tells it. Raises the error again if the call may still succeed, or
    may have.
    """
    if isinstance(why, ProviderError):
        if why.retryable or why.ambiguous:
            raise why
        why = from_provider(why)
    operation.params["problem"] = why.document()
    operation.save(update_fields=["params"])
    return Again()


def given_up(operation: Operation) -> Failed | Cancelled | None:
    """Return how an operation ends once what it made is undone; None: it goes on."""
    if problem := operation.params.get("problem"):
        return Failed(stored(problem))
    return Cancelled() if operation.cancel_requested else None
