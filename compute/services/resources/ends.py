"""How operations on Neutron's nouns end."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction

from compute.cloud_errors import from_provider
from compute.engine import queue, runner
from compute.engine.work import Answer, Done, End, Failed
from compute.models import NetworkResource, Operation, ResourceStatus
from compute.models.kinds import KINDS, held_by
from compute.models.network_resource import MOVING
from compute.models.owned import CloudResource
from compute.services import quotas, rows
from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound

R = TypeVar("R", bound=CloudResource)
S = ResourceStatus
#: (kind, id) -> row.
Held = Mapping[tuple[str, UUID], CloudResource]
#: Writes on the rows that an operation holds, which are at rest, what its end shows.
Apply = Callable[[Operation, Held, End], None]


def lock(operation: Operation) -> Held:
    """Lock all that an operation holds, in the order of `requests.lock_all`."""
    places = operation.occupations.values_list("kind", "target_id")
    return {
        (kind, id): KINDS[kind].model.locked(id)  # type: ignore[misc]  # CloudResource alone is occupied
        for kind, id in sorted(places)
    }


def of(held: Held, model: type[R]) -> list[R]:
    """Return the held rows of one noun."""
    return [row for row in held.values() if isinstance(row, model)]


def settle(operation: Operation, end: End, *, apply: Apply) -> None:
    """End an operation: bring all that it holds to rest, and say so.

    Does nothing if somebody else ended it first.
    """
    with transaction.atomic():
        held = lock(operation)
        if not queue.close(operation, end):
            return
        target = held[operation.target_kind, operation.target_id]
        before = {row.pk: held_by(row) for row in held.values()}
        for row in held.values():
            if isinstance(row, NetworkResource):
                _rest(row, operation, end)
        apply(operation, held, end)
        # The allowed_actions of all that it held are back.
        changed = {row.pk: rows.save(row, touch=True) for row in held.values()}
        _give_back(held.values(), before)
        rows.record_end(operation, changed.pop(target.pk), *changed.values())


def _rest(row: NetworkResource, operation: Operation, end: End) -> None:
    """Bring a row to where the end leaves it; one that did not move stays."""
    if row.status not in MOVING:
        return
    was, is_target = row.status, row.pk == operation.target_id
    status = _status_after(row, operation, end)
    if status == S.DELETED:
        row.mark_deleted()
    else:
        row.settle(status)
    if isinstance(end, Done):
        row.error = None
    elif isinstance(end, Failed) and is_target:
        row.error = end.problem.document()
    row.counted = status not in (S.DELETED, S.ERROR)
    if was == S.CREATING and status != S.ACTIVE:
        # Undone; what could not be undone carries our marker.
        row.provider_id = ""


def _status_after(
    row: NetworkResource, operation: Operation, end: End
) -> ResourceStatus:
    is_target = row.pk == operation.target_id
    if isinstance(end, Done):
        return S.DELETED if row.status == S.DELETING else S.ACTIVE
    if row.status != S.CREATING:
        # As it was; one that was never made was in ERROR.
        rested = S.ACTIVE if row.provider_id else S.ERROR
        return S(operation.from_status) if is_target else rested
    # What was made on the way to the target was undone.
    return S.ERROR if isinstance(end, Failed) and is_target else S.DELETED


def _give_back(held: Iterable[CloudResource], before: Mapping[UUID, Any]) -> None:
    """Return to the quotas what is no longer counted, project by project."""
    changes: dict[UUID, dict[Any, int]] = {}
    for row in held:
        amounts = changes.setdefault(row.project_id, {})
        for resource, amount in held_by(row).items():
            amounts[resource] = amounts.get(resource, 0) + amount
        for resource, amount in before[row.pk].items():
            amounts[resource] = amounts.get(resource, 0) - amount
    for project_id, amounts in changes.items():
        quotas.count(project_id, amounts)


def refused(operation: Operation, cloud: Cloud, error: Conflict | NotFound) -> Answer:
    """Say what it means that the cloud refused a call.

    For some seconds after a delete Neutron still counts what is gone.
    """
    if isinstance(error, Conflict) and operation.call == "" and _removes(operation):
        again = runner.retry(operation, error)
        if again is not None:
            return again
    return Failed(from_provider(error))


def _removes(operation: Operation) -> bool:
    return operation.type.endswith((".delete", ".detach-subnet"))
