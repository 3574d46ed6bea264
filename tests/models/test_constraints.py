"""What the database refuses, whatever the code does."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, models, transaction
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
    status: str,
    *,
    vm: VM | None = None,
    snapshot: Snapshot | None = None,
    **fields: object,
) -> Operation:
    target = vm or snapshot
    values: dict[str, object] = {
        "type": OperationType.VM_STOP,
        "project": target.project if target else Project.objects.default(),
        "cloud": "default",
        "requested_by": "user:alice",
        "deadline": timezone.now() + timedelta(minutes=30),
        "finished_at": timezone.now() if status in ENDED else None,
        **fields,
    }
    made: Operation = Operation.objects.create(
        status=status, vm=vm, snapshot=snapshot, **values
    )
    return made


def refused(constraint: str, write: Callable[[], object]) -> None:
    """Assert that the database refuses a write by the named constraint."""
    with pytest.raises(IntegrityError) as caught, transaction.atomic():
        write()
    # SQLite names the columns of a unique constraint instead of the constraint.
    words = str(caught.value)
    assert constraint in words or "UNIQUE constraint failed" in words


@pytest.mark.parametrize("first", LIVE)
@pytest.mark.parametrize("second", LIVE)
def test_a_vm_has_one_live_operation(first: str, second: str) -> None:
    vm = VMFactory.create()
    operation(first, vm=vm)
    refused("one_live_operation_per_vm", lambda: operation(second, vm=vm))
    operation(second, vm=VMFactory.create())


@pytest.mark.parametrize("first", LIVE)
@pytest.mark.parametrize("second", LIVE)
def test_a_snapshot_has_one_live_operation(first: str, second: str) -> None:
    snapshot = SnapshotFactory.create()
    operation(first, snapshot=snapshot)
    refused(
        "one_live_operation_per_snapshot", lambda: operation(second, snapshot=snapshot)
    )
    operation(second, snapshot=SnapshotFactory.create())


@pytest.mark.parametrize("status", ENDED)
def test_a_vm_has_any_number_of_ended_operations(status: str) -> None:
    vm, snapshot = VMFactory.create(), SnapshotFactory.create()
    for _ in range(2):
        operation(status, vm=vm)
        operation(status, snapshot=snapshot)
    operation("RUNNING", vm=vm)
    operation("RUNNING", snapshot=snapshot)


def test_an_operation_has_a_target() -> None:
    refused("operation_has_target", lambda: operation("PENDING"))


def test_an_operation_has_a_known_status_and_type() -> None:
    vm = VMFactory.create()
    refused(
        "operation_status_known",
        lambda: operation("LOST", vm=vm, finished_at=timezone.now()),
    )
    refused(
        "operation_type_known", lambda: operation("PENDING", vm=vm, type="vm.explode")
    )


@pytest.mark.parametrize("status", OperationStatus)
def test_an_operation_has_an_end_exactly_when_it_ended(status: str) -> None:
    wrong = None if status in ENDED else timezone.now()
    refused(
        "operation_finished_has_time",
        lambda: operation(status, vm=VMFactory.create(), finished_at=wrong),
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
    name = "vm" if isinstance(row, VM) else "snapshot"
    Event.objects.create(
        project=row.project, sequence=1, type="x", actor="system", **{name: row}
    )
    with pytest.raises(models.ProtectedError):
        row.delete()


def test_things_are_called_by_their_names() -> None:
    project = ProjectFactory.create(name="lab")
    user = UserFactory.create(username="bob")
    member = Membership.objects.create(project=project, user=user, role="admin")
    assert str(member) == "bob is admin of lab"
    assert str(VMFactory.create(name="web-1")) == "web-1"
    assert str(FlavorFactory.create(name="m1.small")) == "m1.small"
    assert str(SnapshotFactory.create(name="before")) == "before"
