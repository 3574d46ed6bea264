"""Find what a request names, and begin an operation on it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from compute import events
from compute.engine import queue
from compute.errors import InvalidTransition, ResourceInUse, ValidationError
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.limits import is_id
from compute.models import (
    Event,
    NetworkResource,
    Operation,
    OperationType,
    Project,
    ResourceStatus,
)
from compute.models.kinds import held_by
from compute.models.owned import CloudResource, Owned
from compute.services import fields, quotas, rows

R = TypeVar("R", bound=NetworkResource)

#: What `rows.update` may change of all of them.
EDITABLE = frozenset({"name", "description", "labels"})
#: Named by a refusal because something is in use.
MOST_USERS = 20


def invalid(pointer: str, code: str, detail: str) -> ValidationError:
    """Return the refusal of one field of a request body."""
    return ValidationError([{"pointer": pointer, "code": code, "detail": detail}])


def find(
    usable: QuerySet[R], reference: str, *, project: Project, cloud: str, pointer: str
) -> R:
    """Return the one row, of the project or of nobody, that a client names.

    ``reference`` is an id or a name. Raises ValidationError for ``pointer``; of what
    is another project's as if it did not exist.
    """
    there = usable.filter(
        Q(project=project) | Q(project=None), cloud=cloud, deleted_at=None
    )
    noun = usable.model._meta.verbose_name
    found = list(there.filter(named(reference))[:2])
    if not found:
        raise invalid(pointer, "does_not_exist", f"No {noun} {reference}.")
    if len(found) > 1:
        detail = f"Several have the name {reference}; give an id."
        raise invalid(pointer, "ambiguous", detail)
    return found[0]


def named(reference: str) -> Q:
    """Return the condition for what a client names by id or name."""
    return Q(pk=reference) if is_id(reference) else Q(name=reference)


def lock_all(found: Iterable[CloudResource | None]) -> list[Any]:
    """Lock rows in the one order of all requests and ends.

    Returns them as they are now, in the order given; None stays None. Raises NotFound
    once one is deleted.
    """
    given = [*found]
    present = {(row.kind, row.pk): row for row in given if row is not None}
    locked = {place: rows.lock(present[place]) for place in sorted(present)}
    return [row and locked[row.kind, row.pk] for row in given]


def require_active(row: NetworkResource, *, pointer: str = "") -> None:
    """Raise unless a locked row is at rest and usable.

    OperationInProgress if an operation holds it; InvalidTransition if it is in ERROR,
    or ValidationError where a field of the body named it.
    """
    queue.check_free(row)
    if row.status == ResourceStatus.ACTIVE:
        return
    detail = f"The {row._meta.verbose_name} {row} is {row.status}."
    if pointer:
        raise invalid(pointer, "not_active", detail)
    raise _refused(row, detail)


def _refused(row: NetworkResource, detail: str) -> InvalidTransition:
    status = f"{row.kind.replace('-', '_')}_status"
    return InvalidTransition(
        detail,
        **{status: row.status, "allowed_actions": list(row.allowed_actions)},
    )


def create(
    type: OperationType,
    made: Sequence[NetworkResource],
    *,
    actor: Actor,
    related: CloudResource | None = None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Write new rows, the first of which the operation is about, in one transaction.

    It holds these, and ``related``, which is locked. Raises ResourceLimitExceeded.
    """
    target, *others = made
    _reserve(made)
    operation = queue.submit(
        type,
        actor=actor,
        target=target,
        related=related,
        holds=others,
        params=params,
        end_status=ResourceStatus.ACTIVE,
    )
    changed = _note_operation(operation, related)
    created = _write(made, operation, actor=actor, related=related)
    events.record_all(
        operation.project_id,
        [*created, *rows.changed(changed, operation, actor=actor)],
    )


def begin(
    type: OperationType,
    row: NetworkResource,
    move: Callable[[], None],
    *,
    actor: Actor,
    adds: Sequence[NetworkResource] = (),
    holds: Sequence[CloudResource] = (),
    related: CloudResource | None = None,
    params: Mapping[str, Any] | None = None,
) -> None:
    """Make the transition of a locked and checked row, in the caller's transaction.

    ``move`` is a transition of it, ``adds`` are new rows, and ``holds`` are locked and
    changed by the caller. Raises ResourceLimitExceeded.
    """
    before = row.status
    move()
    _reserve(adds)
    operation = queue.submit(
        type,
        actor=actor,
        target=row,
        related=related,
        holds=(*adds, *holds),
        params=params,
        from_status=before,
        end_status=(
            ResourceStatus.DELETED
            if row.status == ResourceStatus.DELETING
            else ResourceStatus.ACTIVE
        ),
    )
    changed, *others = _note_operation(operation, row, related, *holds)
    created = _write(adds, operation, actor=actor, related=row)
    events.record_all(
        operation.project_id,
        [
            *created,
            *rows.changed([changed], operation, actor=actor, related=related),
            *rows.changed(others, operation, actor=actor),
        ],
    )


def _reserve(made: Sequence[NetworkResource]) -> None:
    amounts: dict[Any, int] = {}
    for row in made:
        fields.check(row, "name", "description", "labels")
        for resource, amount in held_by(row).items():
            amounts[resource] = amounts.get(resource, 0) + amount
    if made:
        project_id: UUID = made[0].project_id
        quotas.reserve(project_id, amounts)


def _write(
    made: Sequence[NetworkResource],
    operation: Operation,
    *,
    actor: Actor,
    related: CloudResource | None,
) -> list[Event]:
    for row in made:
        row.operation = operation
        row.save(force_insert=True)
    return [
        events.by(
            actor,
            f"{row.kind}.created",
            subject=row,
            related=related,
            operation=operation,
        )
        for row in made
    ]


def _note_operation(
    operation: Operation, *held: CloudResource | None
) -> list[rows.Change]:
    changes = []
    for row in held:
        if row is not None:
            row.operation = operation
            changes.append(rows.save(row))
    return changes


def update(
    row: R, *, actor: Actor, changes: Mapping[str, Any], expect: Expect = None
) -> R:
    """Change what is ours alone: name, description, labels."""
    check_own(row)
    with transaction.atomic():
        row = rows.update(
            row, editable=EDITABLE, actor=actor, changes=changes, expect=expect
        )
        _ = row.operation  # read while it can fail: the answer shows what it permits
    return row


def check_deletable(row: NetworkResource, *, expect: Expect) -> None:
    """Raise unless a locked row of a project may be deleted now, as far as it tells."""
    check_expected(row, expect)
    check_own(row)
    queue.check_free(row)
    if row.status not in (ResourceStatus.ACTIVE, ResourceStatus.ERROR):
        noun = row._meta.verbose_name
        raise _refused(row, f"Cannot delete a {noun} that is {row.status}.")


def check_changeable(row: NetworkResource, *, expect: Expect) -> None:
    """Raise unless a locked row of a project may be changed in the cloud now."""
    check_expected(row, expect)
    check_own(row)
    require_active(row)


def check_own(row: NetworkResource) -> None:
    """Raise InvalidTransition for what the cloud offers to all: nobody changes it here."""
    if row.is_offered:
        noun = row._meta.verbose_name
        raise _refused(row, f"The {noun} {row} is the cloud's own.")


def refuse_in_use(
    row: NetworkResource, users: Sequence[Owned], *, way_out: str
) -> None:
    """Raise ResourceInUse, naming the users and the call that frees it, if there are any."""
    if not users:
        return
    shown = shown_users(users)
    names = ", ".join(f"{user['kind']} {user['name']}" for user in shown[:3])
    more = f" and {len(users) - 3} more" if len(users) > 3 else ""
    raise ResourceInUse(
        f"The {row._meta.verbose_name} {row} is in use by {names}{more}. {way_out}",
        in_use_by=shown,
    )


def shown_users(users: Sequence[Owned]) -> list[dict[str, str]]:
    """Return what a refusal says of those who use something."""
    return [
        {"kind": user.kind, "id": str(user.pk), "name": str(user)}
        for user in users[:MOST_USERS]
    ]
