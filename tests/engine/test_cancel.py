"""Cancel: what no worker took is forgotten, a create under way is undone."""

from collections.abc import Callable

import pytest
import time_machine

from compute.engine import queue, runner, work
from compute.errors import NotCancellable
from compute.events import Actor
from compute.models import VM, Event, OperationStatus, Project
from compute.services import snapshots, vms
from providers.mock import MockCloud
from providers.mock.world.faults import Kind
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import Play, ask_for_vm, live
from tests.support import invariants as ledger
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]
BOB = Actor("user:bob", request_id="req-bob")


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("stop", "ACTIVE"),
        ("start", "SHUTOFF"),
        ("unpause", "PAUSED"),
        ("remove", "ACTIVE"),
        ("resize", "SHUTOFF"),
    ],
)
def test_what_no_worker_took_is_forgotten(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, name: str, status: str
) -> None:
    vm = make_vm(status)
    VERBS[name](vm)
    cloud.controls.reset_counts()
    operation = runner.cancel(live(), actor=BOB)
    assert operation.status == OperationStatus.CANCELLED
    assert operation.finished_at is not None
    vm.refresh_from_db()
    assert (vm.status, vm.live_operation) == (status, None)
    drain()
    assert cloud.controls.call_counts() == {}
    told = Event.objects.filter(operation=operation, actor="user:bob").get()
    assert (told.type, told.request_id) == ("operation.updated", "req-bob")
    ledger.check(cloud)


def test_a_cancelled_way_out_of_error_keeps_the_error(make_vm: MakeVM) -> None:
    vm = make_vm("ERROR")
    error = vm.error
    assert error is not None
    vms.reboot(vm, type=vms.RebootType.HARD, actor=ALICE)
    runner.cancel(live(), actor=ALICE)
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ERROR", error)


def test_a_cancel_tells_who_asked_and_what_it_did(make_vm: MakeVM) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    runner.cancel(live(), actor=ALICE)
    told = Event.objects.get(type="operation.updated")
    assert told.actor == ALICE.name
    assert told.changes == {"status": ["PENDING", "CANCELLED"]}


def test_a_snapshot_that_no_worker_took_is_deleted(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    runner.cancel(live(), actor=ALICE)
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    drain()
    snapshots.delete(snapshot, actor=ALICE)
    runner.cancel(live(), actor=ALICE)
    snapshot.refresh_from_db()
    assert snapshot.status == "AVAILABLE"
    ledger.check(cloud)


@pytest.mark.parametrize("name", ["stop", "snapshot", "remove"])
def test_what_the_cloud_has_cannot_be_cancelled(make_vm: MakeVM, name: str) -> None:
    vm = make_vm()
    VERBS[name](vm)
    runner.run(live().pk)
    before = Event.objects.count()
    with pytest.raises(NotCancellable):
        runner.cancel(live(), actor=ALICE)
    assert not live().cancel_requested
    assert Event.objects.count() == before


def test_what_has_ended_cannot_be_cancelled(make_vm: MakeVM) -> None:
    vm = make_vm()
    assert vm.operation is not None
    with pytest.raises(NotCancellable):
        runner.cancel(vm.operation, actor=ALICE)


def test_a_create_that_no_worker_took_leaves_nothing(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = ask_for_vm(project)
    runner.cancel(live(), actor=ALICE)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert vm.deleted_at is not None
    drain()
    assert cloud.controls.call_counts().get("servers.create") is None


@pytest.mark.parametrize("delay", ["0", "1"])
def test_a_create_under_way_is_cancelled_by_removing_what_was_built(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    delay: str,
) -> None:
    cloud.world.pace = float(delay)
    vm = ask_for_vm(project)
    runner.run(live().pk)
    assert len(cloud.servers.list_all()) == 1
    operation = runner.cancel(live(), actor=BOB)
    assert operation.cancel_requested
    with pytest.raises(NotCancellable):
        runner.cancel(live(), actor=BOB)
    play()
    vm.refresh_from_db()
    operation.refresh_from_db()
    assert (operation.status, vm.status) == ("CANCELLED", "DELETED")
    assert vm.error is None
    told = Event.objects.filter(operation=operation, actor="user:bob").get()
    assert told.changes == {"cancel_requested": [False, True]}
    ledger.check(cloud)


@pytest.mark.parametrize(
    "kind", ["lose_response", "hang", "hidden", "build_error", "stuck"]
)
def test_a_create_that_goes_wrong_is_cancelled_all_the_same(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
    kind: Kind,
) -> None:
    delay = 3.0 if kind == "hidden" else 0.0
    cloud.controls.inject("servers.create", kind=kind, delay=delay)
    vm = ask_for_vm(project)
    runner.run(live().pk)
    runner.cancel(live(), actor=ALICE)
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    clock.shift(30)  # what was hidden would show by now
    ledger.check(cloud)


def test_a_cancel_while_the_worker_is_in_the_call_is_not_missed(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    vm = ask_for_vm(project)
    held = queue.claim(live().pk)
    assert held is not None
    runner.cancel(live(), actor=ALICE)
    runner.take(held, work.of(held).perform(held, cloud))
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    ledger.check(cloud)


@pytest.mark.parametrize(
    "fault", [{"kind": "lose_response"}, {"kind": "fail", "status": 503}]
)
def test_the_removal_of_a_cancelled_create_is_repeated_until_it_works(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, str],
) -> None:
    vm = ask_for_vm(project)
    runner.run(live().pk)
    cloud.controls.inject("servers.delete", **fault)  # type: ignore[arg-type]  # keywords of inject
    runner.cancel(live(), actor=ALICE)
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    ledger.check(cloud)


def test_a_cancelled_create_that_cannot_be_removed_is_an_error_that_can_be_deleted(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    vm = ask_for_vm(project)
    runner.run(live().pk)
    cloud.controls.inject("servers.delete", kind="fail", status=403)
    runner.cancel(live(), actor=ALICE)
    play()
    observe()
    vm.refresh_from_db()
    assert vm.operation is not None
    assert vm.operation.status == "FAILED"
    ledger.check(cloud)
    vms.delete(vm, actor=ALICE)
    play()
    assert cloud.servers.list_all() == []
