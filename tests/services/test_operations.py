"""The engine: claims, leases, retries, the sweep, deadlines, cancel."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from compute import clouds
from compute.errors import NotCancellable
from compute.events import Actor
from compute.models import VM, Event, Image, Operation, OperationStatus, Project
from compute.services import calls, operations, outbox, snapshots, vms
from providers.mock import MockProvider
from tests.conftest import ALICE, Drain, observe
from tests.factories import VMFactory
from tests.services import ledger
from tests.services.conftest import Play
from tests.services.mortal import MortalProvider, WorkerDied
from tests.services.verbs import VERBS

MakeVM = Callable[..., VM]
BOB = Actor("user:bob", request_id="req-bob")


@pytest.fixture
def announced() -> Iterator[list[tuple[uuid.UUID, float]]]:
    """What was announced to the workers: operations, and after how many seconds."""
    told: list[tuple[uuid.UUID, float]] = []

    def tell(operation_id: uuid.UUID, *, cloud: str, after: float) -> None:
        assert cloud == "default"
        told.append((operation_id, after))

    before = outbox._announce
    outbox.on_work(tell)
    yield told
    outbox.on_work(before)


@pytest.fixture
def mortal(cloud: MockProvider, settings: Settings) -> MortalProvider:
    """The same cloud, through a provider that kills its callers when told to."""
    options = settings.PROVIDERS["default"]["OPTIONS"]
    backend = "tests.services.mortal.MortalProvider"
    settings.PROVIDERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    clouds.reset()
    provider = clouds.provider("default")
    assert isinstance(provider, MortalProvider)
    return provider


def ask_for_vm(project: Project) -> VM:
    return vms.create(
        project=project,
        actor=ALICE,
        name="web",
        flavor="m1.small",
        image="ubuntu-22.04",
    )


def live() -> Operation:
    return Operation.objects.live().get()


# Claims and leases


def test_an_operation_is_announced_after_commit(
    make_vm: MakeVM,
    announced: list[tuple[uuid.UUID, float]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    vm = make_vm()
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        vms.stop(vm, actor=ALICE)
        assert announced == []
    assert len(callbacks) == 1
    assert announced == [(live().pk, 0.0)]


def test_a_claimed_operation_is_nobody_elses(
    make_vm: MakeVM, clock: time_machine.Traveller, settings: Settings
) -> None:
    vms.stop(make_vm(), actor=ALICE)
    first = outbox.claim(live().pk)
    assert first is not None
    assert first.attempts == 1
    assert outbox.claim(first.pk) is None
    assert operations.run(first.pk) is None
    clock.shift(settings.OPERATION_LEASE_SECONDS + 1)
    second = outbox.claim(first.pk)
    assert second is not None
    assert (second.attempts, second.started_at) == (2, first.started_at)
    assert outbox.holds(second)
    assert not outbox.holds(first)


def test_a_worker_that_lost_its_claim_sends_nothing(
    make_vm: MakeVM, cloud: MockProvider, clock: time_machine.Traveller
) -> None:
    vms.stop(make_vm(), actor=ALICE)
    stale = outbox.claim(live().pk)
    assert stale is not None
    clock.shift(120)
    outbox.claim(stale.pk)
    operations.settle(stale, outbox.Waiting(step="stop"))
    assert live().lease_until is not None
    with pytest.raises(calls.ClaimLostError):
        operations.PERFORM[stale.type](stale, cloud)
    assert "stop_server" not in cloud.call_counts()


def test_an_unknown_or_ended_operation_is_not_run(
    make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    assert vm.operation is not None
    assert operations.run(vm.operation.pk) is None
    assert operations.run(uuid.uuid4()) is None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["stop", "reboot", "resize", "snapshot", "remove"])
def test_a_dead_workers_operation_is_taken_over_when_its_lease_ran_out(
    make_vm: MakeVM, mortal: MortalProvider, play: Play, moment: str, name: str
) -> None:
    vm = make_vm()
    VERBS[name](vm)
    mortal.doom = moment
    with pytest.raises(WorkerDied):
        operations.run(live().pk)
    assert live().lease_until is not None
    play()
    operation = Operation.objects.latest("created_at")
    assert (operation.status, operation.error) == ("SUCCEEDED", None)
    ledger.check(mortal)


def test_a_defect_of_ours_is_retried_then_told_without_its_words(
    make_vm: MakeVM, play: Play, cloud: MockProvider
) -> None:
    vm = make_vm()
    vms.rebuild(vm, image="debian-12", actor=ALICE)
    # pragma: allowlist nextline secret
    Operation.objects.live().update(params={"secret": "hunter2"})
    play()
    vm.refresh_from_db()
    operation = vm.operation
    assert operation is not None
    assert (operation.status, operation.failures) == ("FAILED", 5)
    assert operation.error is not None
    assert operation.error["code"] == "internal-error"
    assert "hunter2" not in str(operation.error)
    assert vm.status == "ACTIVE"
    ledger.check(cloud)


@pytest.mark.parametrize("status", ["ACTIVE", "PAUSED"])
def test_a_cloud_that_is_no_longer_configured_fails_what_was_asked_of_it(
    make_vm: MakeVM, settings: Settings, status: str
) -> None:
    vm = make_vm(status)
    vms.delete(vm, actor=ALICE)
    settings.PROVIDERS = {"other": settings.PROVIDERS["default"]}
    clouds.reset()
    operations.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == status
    assert vm.operation is not None
    assert vm.operation.error is not None
    assert vm.operation.error["code"] == "internal-error"


def test_retries_come_ever_later_and_are_counted(
    make_vm: MakeVM,
    cloud: MockProvider,
    settings: Settings,
    clock: time_machine.Traveller,
) -> None:
    settings.OPERATION_RETRY_SECONDS = 10.0
    vms.stop(make_vm(), actor=ALICE)
    cloud.inject("stop_server", kind="fail", status=503, times=0)
    cloud.inject("get_server", kind="fail", status=503, times=0)
    waits = []
    for _ in range(5):
        operations.run(live().pk)
        due = live().lease_until
        assert due is not None
        waits.append(round((due - timezone.now()).total_seconds()))
        clock.move_to(due + timedelta(seconds=0.1))
    assert waits == [10, 20, 40, 80, 160]
    operations.run(live().pk)
    operation = Operation.objects.latest("created_at")
    assert (operation.status, operation.attempts) == ("FAILED", 6)


# The sweep


def test_a_lost_announcement_is_repeated(
    make_vm: MakeVM,
    announced: list[tuple[uuid.UUID, float]],
    clock: time_machine.Traveller,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    vms.stop(make_vm(), actor=ALICE)
    assert operations.sweep() == 0
    clock.shift(6)
    for count in (1, 0):  # at once again would be too soon
        with django_capture_on_commit_callbacks(execute=True):
            assert operations.sweep() == count
    assert announced == [(live().pk, 0.0)]


def test_lost_announcements_take_turns(
    project: Project, clock: time_machine.Traveller
) -> None:
    """A cloud that hangs has more of them than one sweep repeats."""
    Operation.objects.bulk_create(
        Operation(
            type="vm.stop",
            project=project,
            vm=vm,
            created_at=timezone.now(),
            deadline=timezone.now() + timedelta(hours=1),
        )
        for vm in VMFactory.create_batch(1001)
    )
    clock.shift(6)
    assert operations.sweep() == 1000
    clock.shift(3)
    assert operations.sweep() == 1
    clock.shift(6)
    newest = Operation.objects.latest("updated_at")
    assert operations.sweep() == 1000
    newest.refresh_from_db()
    clock.shift(6)
    assert operations.sweep() == 1000
    assert Operation.objects.get(pk=newest.pk).updated_at > newest.updated_at


def test_an_operation_that_a_worker_has_is_left_to_it(
    make_vm: MakeVM, clock: time_machine.Traveller, settings: Settings
) -> None:
    vms.stop(make_vm(), actor=ALICE)
    outbox.claim(live().pk)
    clock.shift(settings.OPERATION_LEASE_SECONDS - 1)
    assert operations.sweep() == 0
    clock.shift(2)
    assert operations.sweep() == 1


def test_an_operation_that_the_cloud_has_is_left_to_the_passes(
    make_vm: MakeVM, clock: time_machine.Traveller
) -> None:
    vms.stop(make_vm(), actor=ALICE)
    operations.run(live().pk)
    clock.shift(60)
    assert operations.sweep() == 0
    assert live().lease_until is None


@pytest.mark.parametrize("started", [True, False])
def test_an_operation_past_its_deadline_fails_where_the_cloud_says(
    make_vm: MakeVM,
    cloud: MockProvider,
    clock: time_machine.Traveller,
    started: bool,
) -> None:
    vm = make_vm()
    vms.stop(vm, actor=ALICE)
    if started:
        operations.run(live().pk)
    clock.shift(1801)
    assert operations.sweep() == 1
    operations.run(live().pk)
    vm.refresh_from_db()
    # A stop that was sent has worked, though nobody looked in time.
    assert vm.status == ("SHUTOFF" if started else "ACTIVE")
    assert vm.operation is not None
    assert vm.operation.status == "FAILED"
    assert vm.operation.error is not None
    assert vm.operation.error["code"] == "openstack-timeout"
    ledger.check(cloud)


def test_a_deadline_is_kept_when_the_cloud_does_not_answer(
    make_vm: MakeVM, cloud: MockProvider, clock: time_machine.Traveller
) -> None:
    vm = make_vm("SUSPENDED")
    vms.resume(vm, actor=ALICE)
    cloud.inject("*", kind="fail", status=503, times=0)
    clock.shift(1801)
    operations.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == "SUSPENDED"


def test_a_deadline_finds_a_server_gone(
    make_vm: MakeVM, cloud: MockProvider, clock: time_machine.Traveller
) -> None:
    vm = make_vm()
    vms.stop(vm, actor=ALICE)
    cloud.vanish(vm.server_id)
    clock.shift(1801)
    operations.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert vm.error["code"] == "server-vanished"


# Cancel


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
    make_vm: MakeVM, cloud: MockProvider, drain: Drain, name: str, status: str
) -> None:
    vm = make_vm(status)
    VERBS[name](vm)
    cloud.reset_counts()
    operation = operations.cancel(live(), actor=BOB)
    assert operation.status == OperationStatus.CANCELLED
    assert operation.finished_at is not None
    vm.refresh_from_db()
    assert (vm.status, vm.live_operation) == (status, None)
    drain()
    assert cloud.call_counts() == {}
    told = Event.objects.filter(operation=operation, actor="user:bob").get()
    assert (told.type, told.request_id) == ("operation.updated", "req-bob")
    ledger.check(cloud)


def test_a_cancelled_way_out_of_error_keeps_the_error(make_vm: MakeVM) -> None:
    vm = make_vm("ERROR")
    error = vm.error
    assert error is not None
    vms.reboot(vm, type=vms.RebootType.HARD, actor=ALICE)
    operations.cancel(live(), actor=ALICE)
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ERROR", error)


def test_a_cancel_tells_who_asked_and_what_it_did(make_vm: MakeVM) -> None:
    vm = make_vm()
    vms.stop(vm, actor=ALICE)
    operations.cancel(live(), actor=ALICE)
    told = Event.objects.get(type="operation.updated")
    assert told.actor == ALICE.name
    assert told.data == {"status": ["PENDING", "CANCELLED"]}


def test_a_snapshot_that_no_worker_took_is_deleted(
    make_vm: MakeVM, cloud: MockProvider, drain: Drain
) -> None:
    vm = make_vm()
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    operations.cancel(live(), actor=ALICE)
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    drain()
    snapshots.delete(snapshot, actor=ALICE)
    operations.cancel(live(), actor=ALICE)
    snapshot.refresh_from_db()
    assert snapshot.status == "AVAILABLE"
    ledger.check(cloud)


@pytest.mark.parametrize("name", ["stop", "snapshot", "remove"])
def test_what_the_cloud_has_cannot_be_cancelled(make_vm: MakeVM, name: str) -> None:
    vm = make_vm()
    VERBS[name](vm)
    operations.run(live().pk)
    before = Event.objects.count()
    with pytest.raises(NotCancellable):
        operations.cancel(live(), actor=ALICE)
    assert not live().cancel_requested
    assert Event.objects.count() == before


def test_what_has_ended_cannot_be_cancelled(make_vm: MakeVM) -> None:
    vm = make_vm()
    assert vm.operation is not None
    with pytest.raises(NotCancellable):
        operations.cancel(vm.operation, actor=ALICE)


def test_a_create_that_no_worker_took_leaves_nothing(
    catalogue: None, project: Project, cloud: MockProvider, drain: Drain
) -> None:
    vm = ask_for_vm(project)
    operations.cancel(live(), actor=ALICE)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert vm.deleted_at is not None
    drain()
    assert cloud.call_counts().get("create_server") is None


@pytest.mark.parametrize("delay", ["0", "1"])
def test_a_create_under_way_is_cancelled_by_removing_what_was_built(
    catalogue: None,
    project: Project,
    cloud: MockProvider,
    play: Play,
    delay: str,
) -> None:
    cloud._pace = float(delay)
    vm = ask_for_vm(project)
    operations.run(live().pk)
    assert len(cloud.list_servers()) == 1
    operation = operations.cancel(live(), actor=BOB)
    assert operation.cancel_requested
    with pytest.raises(NotCancellable):
        operations.cancel(live(), actor=BOB)
    play()
    vm.refresh_from_db()
    operation.refresh_from_db()
    assert (operation.status, vm.status) == ("CANCELLED", "DELETED")
    assert vm.error is None
    told = Event.objects.filter(operation=operation, actor="user:bob").get()
    assert told.data == {"cancel_requested": [False, True]}
    ledger.check(cloud)


@pytest.mark.parametrize(
    "kind", ["lose_response", "hang", "hidden", "build_error", "stuck"]
)
def test_a_create_that_goes_wrong_is_cancelled_all_the_same(
    catalogue: None,
    project: Project,
    cloud: MockProvider,
    play: Play,
    clock: time_machine.Traveller,
    kind: str,
) -> None:
    cloud.inject("create_server", kind=kind, delay=3.0 if kind == "hidden" else 0.0)  # type: ignore[arg-type]  # one of the kinds
    vm = ask_for_vm(project)
    operations.run(live().pk)
    operations.cancel(live(), actor=ALICE)
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    clock.shift(30)  # what was hidden would show by now
    ledger.check(cloud)


def test_a_cancel_while_the_worker_is_in_the_call_is_not_missed(
    catalogue: None, project: Project, cloud: MockProvider, play: Play
) -> None:
    vm = ask_for_vm(project)
    held = outbox.claim(live().pk)
    assert held is not None
    operations.cancel(live(), actor=ALICE)
    operations.settle(held, operations.PERFORM[held.type](held, cloud))
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
    cloud: MockProvider,
    play: Play,
    fault: dict[str, str],
) -> None:
    vm = ask_for_vm(project)
    operations.run(live().pk)
    cloud.inject("delete_server", **fault)  # type: ignore[arg-type]  # keywords of inject
    operations.cancel(live(), actor=ALICE)
    play()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    ledger.check(cloud)


def test_a_cancelled_create_that_cannot_be_removed_is_an_error_that_can_be_deleted(
    catalogue: None, project: Project, cloud: MockProvider, play: Play
) -> None:
    vm = ask_for_vm(project)
    operations.run(live().pk)
    cloud.inject("delete_server", kind="fail", status=403)
    operations.cancel(live(), actor=ALICE)
    play()
    observe()
    vm.refresh_from_db()
    assert vm.operation is not None
    assert vm.operation.status == "FAILED"
    ledger.check(cloud)
    vms.delete(vm, actor=ALICE)
    play()
    assert cloud.list_servers() == []


def test_an_ended_restore_needs_no_catalogue(
    make_vm: MakeVM, drain: Drain, cloud: MockProvider
) -> None:
    vm = make_vm()
    snapshots.create(vm, actor=ALICE, name="before")
    drain()
    Image.objects.filter(project=None).update(vanished_at=timezone.now())
    VERBS["restore"](vm)
    drain()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert vm.image_name == "ubuntu-22.04"
    ledger.check(cloud)
