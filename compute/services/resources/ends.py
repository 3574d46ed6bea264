"""How operations on Neutron's nouns end."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from compute.engine import queue, runner
from compute.engine.work import Answer, Cancelled, Done, End, Failed
from compute.errors import from_provider
from compute.models import NetworkResource, Operation, ResourceStatus
from compute.models.kinds import KINDS, held_by
from compute.models.owned import CloudResource
from compute.services import quotas, rows
from providers.contract.cloud import Cloud
from providers.errors import Conflict, NotFound

S = ResourceStatus
#: (kind, id) -> row.
Held = Mapping[tuple[str, UUID], CloudResource]
#: Takes the rows that an operation holds, which are at rest, and how it ended; returns
#: other rows that it has changed.
Apply = Callable[[Operation, Held, End], Iterable[CloudResource]]


def lock(operation: Operation) -> Held:
    """Lock all that an operation holds, in the order of `requests.lock_all`."""
    places = operation.occupations.values_list("kind", "target_id")
    return {
        (kind, id): KINDS[kind].model.locked(id)  # type: ignore[misc]  # CloudResource alone is occupied
        for kind, id in sorted(places)
    }


def settle_with(apply: Apply) -> Callable[[Operation, End], None]:
    """Return the settle of operations whose end ``apply`` knows how to show."""

    def settle(operation: Operation, end: End) -> None:
        with transaction.atomic():
            held = lock(operation)
            if not queue.close(operation, end):
                return
            target = held[operation.target_kind, operation.target_id]
            before = {row.pk: (row.status, held_by(row)) for row in held.values()}
            for row in held.values():
                if isinstance(row, NetworkResource):
                    _rest(row, operation, end)
            others = [*apply(operation, held, end)]
            changes = {
                row.pk: row.visible_changes() for row in (*held.values(), *others)
            }
            for row in held.values():
                # The allowed_actions of all that it held are back.
                row.save_changes(touch=True)
            for row in others:
                row.save_changes()
            _give_back(held.values(), before)
            rows.record_end(target, operation, before=before[target.pk][0])
            for row in (*held.values(), *others):
                if row is not target and changes[row.pk]:
                    rows.record_change(row, operation, changes[row.pk])

    return settle


def _rest(row: NetworkResource, operation: Operation, end: End) -> None:
    """Bring a row to where the end leaves it; one that did not move stays."""
    was, is_target = row.status, row.pk == operation.target_id
    if was not in (S.CREATING, S.UPDATING, S.DELETING):
        return
    match end:
        case Done() if was == S.DELETING:
            row.mark_deleted()
        case Done():
            row.settle(S.ACTIVE)
        case Cancelled() if was == S.CREATING:
            row.mark_deleted()
        case Failed() if was == S.CREATING and not is_target:
            # Made on the way to the target, and undone.
            row.mark_deleted()
        case Failed() if was == S.CREATING:
            row.settle(S.ERROR)
        case _ if is_target and operation.from_status:
            row.settle(S(operation.from_status))
        case _:
            row.settle(S.ACTIVE)
    if isinstance(end, Done):
        row.error = None
    elif isinstance(end, Failed) and is_target:
        row.error = end.problem.document()
    row.counted = row.deleted_at is None and row.status != S.ERROR


def _give_back(held: Iterable[CloudResource], before: Mapping[UUID, Any]) -> None:
    """Return to the quotas what is no longer counted, project by project."""
    changes: dict[UUID, dict[Any, int]] = {}
    for row in held:
        if row.project_id is None:
            continue
        amounts = changes.setdefault(row.project_id, {})
        _, was = before[row.pk]
        for resource, amount in held_by(row).items():
            amounts[resource] = amounts.get(resource, 0) + amount
        for resource, amount in was.items():
            amounts[resource] = amounts.get(resource, 0) - amount
    for project_id, amounts in changes.items():
        quotas.count(project_id, amounts)


def refused(operation: Operation, cloud: Cloud, error: Conflict | NotFound) -> Answer:
    """Say what it means that the cloud refused a call.

    For some seconds after a delete Neutron still counts what is gone.
    """
    if isinstance(error, Conflict) and operation.call == "" and _removes(operation):
        again = runner.retry(operation, error.retry_after)
        if again is not None:
            return again
    return Failed(from_provider(error))


def _removes(operation: Operation) -> bool:
    return operation.type.endswith((".delete", ".detach-subnet"))
