"""Every cell of status x action, through the services, on servers that exist."""

from collections.abc import Callable

import pytest

from compute.errors import InvalidTransition, NotFound, OperationInProgress
from compute.models import VM, Event, Operation
from compute.services import snapshots, vms
from tests.conftest import ALICE, Drain, move_vm
from tests.support.lifecycle import ACTIONS_FROM, MOVING, STABLE, TABLE
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

ALLOWED = [(status, name) for name, row in TABLE.items() for status in row.ends]
#: A status that moves -> the verb that is under way, and where it came from.
UNDER_WAY = {
    row.via: (name, next(iter(row.ends))) for name, row in TABLE.items() if row.via
}


@pytest.fixture
def vm_with_snapshot(make_vm: Callable[..., VM], drain: Drain) -> Callable[[str], VM]:
    """Make a VM in a stable status that has a snapshot to restore from."""

    def make(status: str) -> VM:
        vm = make_vm()
        snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
        drain()
        move_vm(vm, status)
        vm.refresh_from_db()
        return vm

    return make


@pytest.mark.parametrize(("status", "name"), ALLOWED)
def test_an_allowed_action_settles_as_the_table_says(
    vm_with_snapshot: Callable[[str], VM], drain: Drain, status: str, name: str
) -> None:
    row, vm = TABLE[name], vm_with_snapshot(status)
    assert vm.status == status
    VERBS[name](vm)
    vm = VM.objects.get(pk=vm.pk)
    assert vm.status == (row.via or status)
    assert vm.allowed_actions == ()
    drain()
    vm = VM.objects.get(pk=vm.pk)
    assert vm.operation is not None
    assert (vm.operation.status, vm.operation.error) == ("SUCCEEDED", None)
    assert vm.status == row.ends[status]
    assert set(vm.allowed_actions) == ACTIONS_FROM[vm.status]
    if status == "ERROR" != vm.status:
        assert vm.error is None


@pytest.mark.parametrize("status", [s for s in STABLE if s != "DELETED"])
def test_every_other_action_is_refused_and_leaves_nothing(
    vm_with_snapshot: Callable[[str], VM], status: str
) -> None:
    vm = vm_with_snapshot(status)
    before = (Operation.objects.count(), Event.objects.count(), vm.version)
    for name in [name for name, row in TABLE.items() if status not in row.ends]:
        with pytest.raises(InvalidTransition) as caught:
            VERBS[name](vm)
        assert caught.value.members["vm_status"] == status
        assert set(caught.value.members["allowed_actions"]) == ACTIONS_FROM[status]
    vm.refresh_from_db()
    assert vm.status == status
    assert (Operation.objects.count(), Event.objects.count(), vm.version) == before


def test_a_deleted_vm_is_unknown_to_every_action(
    vm_with_snapshot: Callable[[str], VM],
) -> None:
    vm = vm_with_snapshot("DELETED")
    before = (Operation.objects.count(), Event.objects.count(), vm.version)
    for ask in VERBS.values():
        with pytest.raises(NotFound):
            ask(vm)
    vm.refresh_from_db()
    assert (Operation.objects.count(), Event.objects.count(), vm.version) == before


@pytest.mark.parametrize("status", [s for s in MOVING if s != "BUILD"])
def test_every_action_is_refused_while_one_is_under_way(
    vm_with_snapshot: Callable[[str], VM], status: str
) -> None:
    name, source = UNDER_WAY[status]
    vm = vm_with_snapshot(source)
    VERBS[name](vm)
    _refuses_everything(VM.objects.get(pk=vm.pk), status)


def test_every_action_is_refused_while_a_vm_is_built(
    make_vm: Callable[..., VM],
) -> None:
    project = make_vm().project
    vm = vms.create(
        project=project, actor=ALICE, name="new", flavor="m1.tiny", image="cirros"
    )
    _refuses_everything(vm, "BUILD")


@pytest.mark.parametrize("status", list(TABLE["snapshot"].ends))
def test_every_action_is_refused_while_a_snapshot_is_taken(
    make_vm: Callable[..., VM], status: str
) -> None:
    vm = make_vm(status)
    VERBS["snapshot"](vm)
    _refuses_everything(VM.objects.get(pk=vm.pk), status)


def _refuses_everything(vm: VM, status: str) -> None:
    assert vm.status == status
    assert vm.operation is not None
    before = (Operation.objects.count(), Event.objects.count(), vm.version)
    for ask in VERBS.values():
        with pytest.raises(OperationInProgress) as caught:
            ask(vm)
        assert caught.value.members == {"operation_id": str(vm.operation.pk)}
        assert str(vm.operation.pk) in caught.value.detail
    vm.refresh_from_db()
    assert vm.status == status
    assert (Operation.objects.count(), Event.objects.count(), vm.version) == before
