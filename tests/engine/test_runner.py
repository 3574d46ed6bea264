"""The engine: claims, leases, retries, the sweep, deadlines."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from compute import clouds
from compute.engine import calls, queue, runner, work
from compute.models import VM, Image, Operation, Project
from compute.services import snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.services.conftest import Play, live
from tests.support import invariants as ledger
from tests.support.dying_callers import MortalCloud, WorkerDied
from tests.support.factories import VMFactory
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]


@pytest.fixture
def announced() -> Iterator[list[tuple[uuid.UUID, float]]]:
    """What was announced to the workers: operations, and after how many seconds."""
    told: list[tuple[uuid.UUID, float]] = []

    def tell(operation_id: uuid.UUID, *, cloud: str, after: float) -> None:
        assert cloud == "default"
        told.append((operation_id, after))

    before = queue._announce
    queue.on_work(tell)
    yield told
    queue.on_work(before)


@pytest.fixture
def mortal(cloud: MockCloud, settings: Settings) -> MortalCloud:
    """The same cloud, through one that kills its callers when told to."""
    options = settings.PROVIDERS["default"]["OPTIONS"]
    backend = "tests.support.dying_callers.MortalCloud"
    settings.PROVIDERS = {"default": {"BACKEND": backend, "OPTIONS": options}}
    clouds.reset()
    mortal = clouds.get("default")
    assert isinstance(mortal, MortalCloud)
    return mortal


# Claims and leases


def test_an_operation_is_announced_after_commit(
    make_vm: MakeVM,
    announced: list[tuple[uuid.UUID, float]],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    vm = make_vm()
    with django_capture_on_commit_callbacks(execute=True) as callbacks:
        vms.act(vm, "stop", actor=ALICE)
        assert announced == []
    assert len(callbacks) == 2  # the announcement, and a hint for who follows the log
    assert announced == [(live().pk, 0.0)]


def test_a_claimed_operation_is_nobody_elses(
    make_vm: MakeVM, clock: time_machine.Traveller, settings: Settings
) -> None:
    vms.act(make_vm(), "stop", actor=ALICE)
    first = queue.claim(live().pk)
    assert first is not None
    assert first.attempts == 1
    assert queue.claim(first.pk) is None
    assert runner.run(first.pk) is None
    clock.shift(settings.OPERATION_LEASE_SECONDS + 1)
    second = queue.claim(first.pk)
    assert second is not None
    assert (second.attempts, second.started_at) == (2, first.started_at)
    assert queue.hold(second)
    assert not queue.hold(first)


def test_a_worker_that_lost_its_claim_sends_nothing(
    make_vm: MakeVM, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    vms.act(make_vm(), "stop", actor=ALICE)
    stale = queue.claim(live().pk)
    assert stale is not None
    clock.shift(120)
    queue.claim(stale.pk)
    runner.take(stale, work.Waiting(step="stop"))
    assert live().lease_until is not None
    with pytest.raises(calls.ClaimLostError):
        work.of(stale).perform(stale, cloud)
    assert "servers.stop" not in cloud.controls.call_counts()


def test_an_unknown_or_ended_operation_is_not_run(
    make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    assert vm.operation is not None
    assert runner.run(vm.operation.pk) is None
    assert runner.run(uuid.uuid4()) is None


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["stop", "reboot", "resize", "snapshot", "remove"])
def test_a_dead_workers_operation_is_taken_over_when_its_lease_ran_out(
    make_vm: MakeVM, mortal: MortalCloud, play: Play, moment: str, name: str
) -> None:
    vm = make_vm()
    VERBS[name](vm)
    mortal.doom = moment
    with pytest.raises(WorkerDied):
        runner.run(live().pk)
    assert live().lease_until is not None
    play()
    operation = Operation.objects.latest("created_at")
    assert (operation.status, operation.error) == ("SUCCEEDED", None)
    ledger.check(mortal)


def test_a_defect_of_ours_is_retried_then_told_without_its_words(
    make_vm: MakeVM, play: Play, cloud: MockCloud
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
    runner.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == status
    assert vm.operation is not None
    assert vm.operation.error is not None
    assert vm.operation.error["code"] == "internal-error"


def test_retries_come_ever_later_and_are_counted(
    make_vm: MakeVM,
    cloud: MockCloud,
    settings: Settings,
    clock: time_machine.Traveller,
) -> None:
    settings.OPERATION_RETRY_SECONDS = 10.0
    vms.act(make_vm(), "stop", actor=ALICE)
    cloud.controls.inject("servers.stop", kind="fail", status=503, times=0)
    cloud.controls.inject("servers.get", kind="fail", status=503, times=0)
    waits = []
    for _ in range(5):
        runner.run(live().pk)
        due = live().lease_until
        assert due is not None
        waits.append(round((due - timezone.now()).total_seconds()))
        clock.move_to(due + timedelta(seconds=0.1))
    assert waits == [10, 20, 40, 80, 160]
    runner.run(live().pk)
    operation = Operation.objects.latest("created_at")
    assert (operation.status, operation.attempts) == ("FAILED", 6)


# The sweep


def test_a_lost_announcement_is_repeated(
    make_vm: MakeVM,
    announced: list[tuple[uuid.UUID, float]],
    clock: time_machine.Traveller,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    vms.act(make_vm(), "stop", actor=ALICE)
    assert runner.sweep() == 0
    clock.shift(6)
    for count in (1, 0):  # at once again would be too soon
        with django_capture_on_commit_callbacks(execute=True):
            assert runner.sweep() == count
    assert announced == [(live().pk, 0.0)]


def test_lost_announcements_take_turns(
    project: Project, clock: time_machine.Traveller
) -> None:
    """A cloud that hangs has more of them than one sweep repeats."""
    Operation.objects.bulk_create(
        Operation(
            type="vm.stop",
            project=project,
            target_kind="vm",
            target_id=vm.pk,
            created_at=timezone.now(),
            deadline=timezone.now() + timedelta(hours=1),
        )
        for vm in VMFactory.create_batch(1001)
    )
    clock.shift(6)
    assert runner.sweep() == 1000
    clock.shift(3)
    assert runner.sweep() == 1
    clock.shift(6)
    newest = Operation.objects.latest("updated_at")
    assert runner.sweep() == 1000
    newest.refresh_from_db()
    clock.shift(6)
    assert runner.sweep() == 1000
    assert Operation.objects.get(pk=newest.pk).updated_at > newest.updated_at


def test_an_operation_that_a_worker_has_is_left_to_it(
    make_vm: MakeVM, clock: time_machine.Traveller, settings: Settings
) -> None:
    vms.act(make_vm(), "stop", actor=ALICE)
    queue.claim(live().pk)
    clock.shift(settings.OPERATION_LEASE_SECONDS - 1)
    assert runner.sweep() == 0
    clock.shift(2)
    assert runner.sweep() == 1


def test_an_operation_that_the_cloud_has_is_left_to_the_passes(
    make_vm: MakeVM, clock: time_machine.Traveller
) -> None:
    vms.act(make_vm(), "stop", actor=ALICE)
    runner.run(live().pk)
    clock.shift(60)
    assert runner.sweep() == 0
    assert live().lease_until is None


@pytest.mark.parametrize("started", [True, False])
def test_an_operation_past_its_deadline_fails_where_the_cloud_says(
    make_vm: MakeVM,
    cloud: MockCloud,
    clock: time_machine.Traveller,
    started: bool,
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    if started:
        runner.run(live().pk)
    clock.shift(1801)
    assert runner.sweep() == 1
    runner.run(live().pk)
    vm.refresh_from_db()
    # A stop that was sent has worked, though nobody looked in time.
    assert vm.status == ("SHUTOFF" if started else "ACTIVE")
    assert vm.operation is not None
    assert vm.operation.status == "FAILED"
    assert vm.operation.error is not None
    assert vm.operation.error["code"] == "openstack-timeout"
    ledger.check(cloud)


def test_a_deadline_is_kept_when_the_cloud_does_not_answer(
    make_vm: MakeVM, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    vm = make_vm("SUSPENDED")
    vms.act(vm, "resume", actor=ALICE)
    cloud.controls.inject("*", kind="fail", status=503, times=0)
    clock.shift(1801)
    runner.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == "SUSPENDED"


def test_a_deadline_finds_a_server_gone(
    make_vm: MakeVM, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    cloud.controls.vanish(vm.server_id)
    clock.shift(1801)
    runner.run(live().pk)
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert vm.error["code"] == "server-vanished"


def test_an_ended_restore_needs_no_catalogue(
    make_vm: MakeVM, drain: Drain, cloud: MockCloud
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
