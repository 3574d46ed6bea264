"""Races, with real threads on PostgreSQL: one wins, the others are told who."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest
from django.db import connection, transaction

from compute.engine import passes, queue, runner
from compute.engine.work import Done, Failed
from compute.errors import (
    InvalidTransition,
    OpenStackTimeout,
    OperationInProgress,
    Problem,
)
from compute.errors import ValidationError as Invalid
from compute.models import (
    VM,
    CloudService,
    Event,
    Operation,
    OperationType,
    Project,
    Snapshot,
)
from compute.services import catalog, snapshots, vms
from compute.services.vms import ends
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import live
from tests.support import invariants as ledger
from tests.support.api import Api
from tests.support.racing import at_once, kinds

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
    # The rollback keeps the project that migrate made.
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

MakeVM = Callable[..., VM]
#: How often a race is run whose losers depend on the moment.
ROUNDS = 12


@pytest.fixture(autouse=True)
def agreement(cloud: MockCloud, drain: Drain) -> Iterator[None]:
    """After every race: all work ends, and both sides agree."""
    yield
    drain()
    ledger.check(cloud)


def test_of_fifty_stops_one_is_accepted_and_the_others_are_told_which(
    make_vm: MakeVM,
) -> None:
    vm = make_vm()
    results = at_once(*[lambda: vms.act(vm, "stop", actor=ALICE)] * 50)
    assert kinds(results) == {"VM": 1, "OperationInProgress": 49}
    operation = live()
    refusals = [r for r in results if isinstance(r, OperationInProgress)]
    assert {r.members["operation_id"] for r in refusals} == {str(operation.pk)}


def test_who_does_not_lock_first_is_told_the_winner_too(make_vm: MakeVM) -> None:
    """The constraint decides, and not the order of locks of one service."""
    vm = make_vm()

    def occupy() -> Operation:
        with transaction.atomic():
            return queue.submit(OperationType.VM_STOP, actor=ALICE, target=vm)

    results = at_once(*[occupy] * 20)
    assert kinds(results) == {"Operation": 1, "OperationInProgress": 19}
    operation = live()
    refusals = [r for r in results if isinstance(r, OperationInProgress)]
    assert {r.members["operation_id"] for r in refusals} == {str(operation.pk)}
    operation.delete()  # the VM itself was not asked


def test_of_fifty_posts_one_gets_202_and_the_others_409(make_vm: MakeVM) -> None:
    vm = make_vm()
    path = f"/vms/{vm.pk}/actions/stop"
    answers = at_once(*[lambda: Api().post(path)] * 50)
    assert Counter(a.status_code for a in answers) == {202: 1, 409: 49}
    operation = live()
    refused = [a.json() for a in answers if a.status_code == 409]
    assert {body["code"] for body in refused} == {"operation-in-progress"}
    assert {body["operation_id"] for body in refused} == {str(operation.pk)}


def test_of_twenty_equal_keys_one_makes_a_vm_and_the_others_hear_of_it(
    project: Project, catalogue: None
) -> None:
    new = {"name": "web", "flavor": "m1.small", "image": "cirros"}
    answers = at_once(*[lambda: Api().post("/vms", new, Idempotency_Key="k")] * 20)
    assert Counter(a.status_code for a in answers) == {202: 20}
    vm = VM.objects.get()
    assert {a.json()["id"] for a in answers} == {str(vm.pk)}
    assert Counter("Idempotent-Replayed" in a.headers for a in answers) == {
        True: 19,
        False: 1,
    }


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_stop_against_start(make_vm: MakeVM, status: str) -> None:
    vm = make_vm(status)
    results = at_once(
        *[
            lambda: vms.act(vm, "stop", actor=ALICE),
            lambda: vms.act(vm, "start", actor=ALICE),
        ]
        * 5
    )
    assert kinds(results)["VM"] == 1
    # Whoever asks for the impossible before the winner is told so.
    refusals = [r for r in results if not isinstance(r, VM)]
    assert {type(r) for r in refusals} <= {OperationInProgress, InvalidTransition}


def test_delete_against_snapshot(make_vm: MakeVM, drain: Drain) -> None:
    for _ in range(ROUNDS):
        vm = make_vm()
        results = at_once(
            partial(vms.delete, vm, actor=ALICE),
            partial(snapshots.create, vm, actor=ALICE, name="before"),
        )
        assert kinds(results)["OperationInProgress"] == 1
        drain()


def test_restore_against_the_delete_of_its_snapshot(
    make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    for number in range(ROUNDS):
        snapshot = snapshots.create(vm, actor=ALICE, name=f"number-{number}")
        drain()
        results = at_once(
            partial(vms.restore, vm, snapshot=snapshot.name, actor=ALICE),
            partial(snapshots.delete, snapshot, actor=ALICE),
        )
        refusals = [r for r in results if isinstance(r, Problem)]
        assert len(refusals) == 1
        assert isinstance(refusals[0], OperationInProgress | Invalid)
        drain()


def test_the_delete_of_a_snapshot_against_the_end_of_another(
    make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    old = snapshots.create(vm, actor=ALICE, name="old")
    drain()
    for number in range(ROUNDS):
        new = snapshots.create(vm, actor=ALICE, name=f"number-{number}")
        assert new.operation is not None
        runner.run(new.operation.pk)
        at_once(observe, partial(snapshots.delete, old, actor=ALICE), partial(edit, vm))
        drain()
        old = new


def edit(vm: VM) -> VM:
    return vms.update(vm, actor=ALICE, changes={"description": "edited"})


def test_a_cancel_against_a_worker(make_vm: MakeVM, drain: Drain) -> None:
    vm = make_vm()
    for _ in range(ROUNDS):
        operation = vms.act(vm, "stop", actor=ALICE).operation
        assert operation is not None
        cancelled, ran = at_once(
            partial(runner.cancel, operation, actor=ALICE),
            partial(runner.run, operation.pk),
        )
        assert isinstance(cancelled, Problem) == (ran is not None)
        drain()
        operation.refresh_from_db()
        assert operation.status == ("SUCCEEDED" if ran else "CANCELLED")
        vm.refresh_from_db()
        if vm.status == "SHUTOFF":
            vms.act(vm, "start", actor=ALICE)
            drain()


def test_a_cancel_against_the_worker_of_a_create(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    for number in range(ROUNDS):
        vm = vms.create(
            project=project,
            actor=ALICE,
            name=f"web-{number}",
            flavor="m1.tiny",
            image="cirros",
        )
        operation = vm.operation
        assert operation is not None
        at_once(
            partial(runner.cancel, operation, actor=ALICE),
            partial(runner.run, operation.pk),
        )
        drain()
        operation.refresh_from_db()
        vm.refresh_from_db()
        assert (operation.status, vm.status) == ("CANCELLED", "DELETED")
    assert cloud.servers.list_all() == []


def test_two_ends_of_one_operation_are_one(make_vm: MakeVM) -> None:
    vm = make_vm()
    for before, after in (("ACTIVE", "SHUTOFF"), ("SHUTOFF", "ACTIVE")) * 3:
        verb = "stop" if before == "ACTIVE" else "start"
        operation = vms.act(vm, verb, actor=ALICE).operation
        assert operation is not None
        runner.run(operation.pk)
        mine = Operation.objects.get(pk=operation.pk)
        at_once(*[partial(ends.settle, mine, Done(after))] * 8)
        vm.refresh_from_db()
        assert vm.status == after
        finished = Event.objects.filter(operation=operation, type="operation.finished")
        assert finished.count() == 1


def test_success_against_failure(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    operation = vms.reboot(vm, actor=ALICE).operation
    assert operation is not None
    runner.run(operation.pk)
    failed = Failed(OpenStackTimeout("Too late."), "ACTIVE")
    at_once(
        lambda: ends.settle(Operation.objects.get(pk=operation.pk), failed),
        lambda: ends.settle(Operation.objects.get(pk=operation.pk), Done("ACTIVE")),
    )
    operation.refresh_from_db()
    vm.refresh_from_db()
    assert (operation.status == "SUCCEEDED") == (vm.error is None)


def test_one_of_many_workers_takes_an_operation(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    operation = vms.act(vm, "stop", actor=ALICE).operation
    assert operation is not None
    results = at_once(*[lambda: queue.claim(operation.pk)] * 20)
    assert kinds(results) == {"Operation": 1, "NoneType": 19}
    Operation.objects.filter(pk=operation.pk).update(status="PENDING")
    at_once(*[lambda: runner.run(operation.pk)] * 20)
    assert cloud.controls.call_counts()["servers.stop"] == 1


def test_many_passes_at_once_are_one(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    CloudService.objects.update(next_pass_at=None)
    cloud.controls.reset_counts()
    results = at_once(*[partial(passes.observe, vm.cloud, "compute")] * 8)
    assert Counter(results) == {True: 1, False: 7}
    assert cloud.controls.call_counts() == {"servers.list_all": 1}


def test_a_service_that_hangs_delays_no_others_pass(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    CloudService.objects.update(next_pass_at=None)
    cloud.controls.inject("ports.list_all", kind="slow", delay=2)
    order: list[str] = []

    def observe_service(service: str) -> None:
        assert passes.observe(vm.cloud, service)
        order.append(service)

    at_once(*[partial(observe_service, name) for name in ("network", "compute")])
    assert order == ["compute", "network"]
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"


def test_events_of_a_project_are_dense_and_in_order_of_commit(
    catalogue: None, project: Project
) -> None:
    def make(number: int) -> VM:
        vm = vms.create(
            project=project,
            actor=ALICE,
            name=f"web-{number}",
            flavor="m1.tiny",
            image="cirros",
        )
        for step in range(5):
            vms.update(vm, actor=ALICE, changes={"description": f"step {step}"})
        return vm

    made = at_once(*[partial(make, number) for number in range(10)])
    ledger.check_history()
    assert Event.objects.count() == 60
    for vm in made:
        found = Event.objects.about("vm", vm.pk).order_by("sequence")
        words = [e.changes["description"][1] for e in found if e.changes]
        assert words == [f"step {step}" for step in range(5)]


def use(vm: VM) -> None:
    """Ask for everything, whatever the answer."""
    for ask in (
        partial(vms.act, method="stop", actor=ALICE),
        partial(vms.restore, snapshot="before", actor=ALICE),
        edit,
        partial(snapshots.create, actor=ALICE, name="more"),
        lambda vm: snapshots.delete(vm.snapshots.latest("created_at"), actor=ALICE),
        partial(vms.act, method="start", actor=ALICE),
    ):
        with suppress(Problem):
            ask(vm)


def work() -> None:
    for _ in range(4):
        for operation in Operation.objects.live():
            runner.run(operation.pk)


def watch() -> None:
    for _ in range(4):
        observe()


def test_workers_passes_and_users_at_once_do_not_wait_crosswise(
    make_vm: MakeVM, drain: Drain
) -> None:
    made = [make_vm(name=f"web-{number}") for number in range(4)]
    for vm in made:
        snapshots.create(vm, actor=ALICE, name="before")
    drain()
    at_once(*[partial(use, vm) for vm in made], work, work, watch)
    assert not Snapshot.objects.filter(status="ERROR").exists()


def test_two_processes_may_refresh_the_catalogue_at_once(
    project: Project, cloud: MockCloud
) -> None:
    at_once(*[lambda: catalog.refresh("default")] * 6)
    assert list(project.vms.all()) == []
