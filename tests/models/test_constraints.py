"""What the database refuses, whatever the code does."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from compute.models import (
    VM,
    Event,
    Flavor,
    Image,
    Membership,
    Operation,
    OperationStatus,
    OperationType,
    Project,
    Snapshot,
)
from tests.support.factories import (
    FlavorFactory,
    ImageFactory,
    ProjectFactory,
    SnapshotFactory,
    UserFactory,
    VMFactory,
)

pytestmark = pytest.mark.django_db

LIVE = ("PENDING", "RUNNING")
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


def operation(
    status: str, *, target: VM | Snapshot | None = None, **fields: object
) -> Operation:
    target = target or VMFactory.create()
    values: dict[str, object] = {
        "type": OperationType.VM_STOP,
        "project": target.project,
        "cloud": "default",
        "target_kind": target.kind,
        "target_id": target.pk,
        "requested_by": "user:alice",
        "deadline": timezone.now() + timedelta(minutes=30),
        "finished_at": timezone.now() if status in ENDED else None,
        **fields,
    }
    made: Operation = Operation.objects.create(status=status, **values)
    return made


def refused(constraint: str, write: Callable[[], object]) -> None:
    """Assert that the database refuses a write by the named constraint."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    # SQLite names the columns of a unique constraint instead of the constraint.
    words = str(caught.value)
    assert constraint in words or "UNIQUE constraint failed" in words


@pytest.mark.parametrize("make", [VMFactory.create, SnapshotFactory.create])
def test_a_thing_is_occupied_by_one_operation(make: Callable[[], Any]) -> None:
    target, other = make(), make()
    first, second = (operation("RUNNING", target=target) for _ in range(2))

    def occupy(thing: VM | Snapshot, holder: Operation) -> None:
        holder.occupations.create(kind=thing.kind, target_id=thing.pk)

    occupy(target, first)
    refused("occupied_by_one_operation", lambda: occupy(target, second))
    refused("occupied_by_one_operation", lambda: occupy(target, first))
    occupy(other, second)
    # Ids of things of two kinds may be the same.
    second.occupations.create(kind="other", target_id=target.pk)


@pytest.mark.parametrize("half", [{"related_kind": "vm"}, {"related_id": uuid4()}])
def test_what_an_operation_is_about_beside_is_named_whole(half: Any) -> None:
    refused("operation_related_is_whole", lambda: operation("PENDING", **half))


@pytest.mark.parametrize("pair", ["subject", "related"])
@pytest.mark.parametrize("half", [{"kind": "vm"}, {"id": uuid4()}])
def test_what_an_event_is_about_is_named_whole(pair: str, half: Any) -> None:
    fields = {f"{pair}_{name}": value for name, value in half.items()}
    refused(
        f"event_{pair}_is_whole",
        lambda: Event.objects.create(type="vm.updated", actor="system", **fields),
    )


def test_an_operation_has_a_known_status_and_type() -> None:
    refused(
        "operation_status_known",
        lambda: operation("LOST", finished_at=timezone.now()),
    )
    refused("operation_type_known", lambda: operation("PENDING", type="vm.explode"))


@pytest.mark.parametrize("status", OperationStatus)
def test_an_operation_has_an_end_exactly_when_it_ended(status: str) -> None:
    wrong = None if status in ENDED else timezone.now()
    refused(
        "operation_finished_has_time",
        lambda: operation(status, finished_at=wrong),
    )


@pytest.mark.parametrize(
    ("make", "constraint"),
    [
        (VMFactory.create, "vm_status_known"),
        (SnapshotFactory.create, "snapshot_status_known"),
    ],
)
def test_a_status_is_a_known_one(make: Callable[..., object], constraint: str) -> None:
    refused(constraint, lambda: make(status="LOST"))


@pytest.mark.parametrize(
    ("make", "constraint", "alive"),
    [
        (VMFactory.create, "vm_deleted_has_time", "ACTIVE"),
        (SnapshotFactory.create, "snapshot_deleted_has_time", "AVAILABLE"),
    ],
)
def test_exactly_what_is_deleted_has_the_time_of_it(
    make: Callable[..., object], constraint: str, alive: str
) -> None:
    make(status="DELETED")
    refused(constraint, lambda: make(status="DELETED", deleted_at=None))
    refused(constraint, lambda: make(status=alive, deleted_at=timezone.now()))


def test_a_server_belongs_to_one_vm() -> None:
    VMFactory.create(server_id="server-1")
    refused("vm_owns_its_server", lambda: VMFactory.create(server_id="server-1"))
    VMFactory.create(server_id="server-1", cloud="other")
    VMFactory.create(server_id="")
    VMFactory.create(server_id="")


@pytest.mark.parametrize("make", [FlavorFactory.create, ImageFactory.create])
def test_a_cloud_offers_a_thing_once(make: Callable[..., Flavor | Image]) -> None:
    make(provider_id="7")
    refused("once_per_cloud", lambda: make(provider_id="7"))
    make(provider_id="7", cloud="other")


def test_an_event_has_a_place_of_its_own_in_its_project() -> None:
    one, other = ProjectFactory.create(), ProjectFactory.create()

    def event(project: Project) -> Event:
        made: Event = Event.objects.create(
            project=project, sequence=1, type="vm.updated", actor="system"
        )
        return made

    event(one)
    refused("event_sequence_once", lambda: event(one))
    event(other)


def test_a_member_has_one_known_role_in_a_project() -> None:
    project, user = ProjectFactory.create(), UserFactory.create()
    Membership.objects.create(project=project, user=user, role="reader")
    refused(
        "membership_once_per_project",
        lambda: Membership.objects.create(project=project, user=user, role="admin"),
    )
    refused(
        "membership_role_known",
        lambda: Membership.objects.create(
            project=project, user=UserFactory.create(), role="king"
        ),
    )


@pytest.mark.parametrize("make", [VMFactory.create, SnapshotFactory.create])
def test_what_has_history_cannot_be_removed(
    make: Callable[..., VM | Snapshot],
) -> None:
    row = make()
    with pytest.raises(TypeError, match="marked as deleted"):
        row.delete()
    row.refresh_from_db()


def test_things_are_called_by_their_names() -> None:
    project = ProjectFactory.create(name="lab")
    user = UserFactory.create(username="bob")
    member = Membership.objects.create(project=project, user=user, role="admin")
    assert str(member) == "bob is admin of lab"
    assert str(VMFactory.create(name="web-1")) == "web-1"
    assert str(FlavorFactory.create(name="m1.small")) == "m1.small"
    assert str(SnapshotFactory.create(name="before")) == "before"
