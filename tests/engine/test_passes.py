"""When a pass over a cloud is made, by whom, and what it costs."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from compute.engine import health, passes, runner, work
from compute.models import VM, Cloud, CloudService, Operation
from compute.services import vms
from compute.services.vms import drift
from compute.services.vms.observed import Listing
from compute.works import WATCHES, WORKS
from providers.mock import MockCloud
from tests.conftest import ALICE, compute_service, observe
from tests.services.conftest import live

MakeVM = Callable[..., VM]


def test_passes_follow_each_other_fast_only_while_operations_live(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 2.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 20.0
    vm = make_vm()
    observe()
    assert 19 < health.due_in("default", "compute") <= 20
    vms.act(vm, "stop", actor=ALICE)
    observe()
    assert 1 < health.due_in("default", "compute") <= 2
    assert passes.observe("default", "compute") is False
    clock.shift(2)
    assert health.due_in("default", "compute") == 0
    assert passes.observe("default", "compute") is True


def test_a_pass_asked_for_is_made_soon_but_not_too_soon(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 2.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 20.0
    make_vm()
    observe()
    health.ask_for_pass("default", "compute")
    assert 1 < health.due_in("default", "compute") <= 2
    health.ask_for_pass("default", "compute")
    assert 1 < health.due_in("default", "compute") <= 2
    clock.shift(1.5)
    assert health.due_in("default", "compute") <= 0.5
    clock.shift(10)
    observe()
    clock.shift(10)
    health.ask_for_pass("default", "compute")
    assert health.due_in("default", "compute") < 1


def test_a_cloud_that_nobody_observed_is_due(cloud: MockCloud, db: None) -> None:
    assert health.due_in("default", "compute") == 0
    health.ask_for_pass("default", "compute")
    assert not Cloud.objects.exists()
    assert passes.observe("default", "compute") is True


def test_a_slow_cloud_is_asked_less_often(settings: Settings) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 0.5
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 30.0
    assert health.live_interval(0.01) == 0.5
    assert health.live_interval(2.0) == 4.0
    assert health.live_interval(60.0) == 30.0


def test_a_cloud_that_fails_is_asked_ever_less_often(
    catalogue: None, cloud: MockCloud, settings: Settings
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 1.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 10.0
    cloud.controls.inject(
        "servers.list_all", kind="fail", times=0, status=503, message="Down."
    )
    waits = []
    for _ in range(6):
        observe()
        waits.append(round(health.due_in("default", "compute")))
    assert waits == [1, 2, 4, 8, 10, 10]
    cloud.controls.clear_faults()
    observe()
    row = compute_service()
    assert (row.failures, row.last_error) == (0, "Down.")


def test_a_pass_that_died_is_taken_over(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    make_vm()
    held = timezone.now() + timedelta(seconds=settings.OPERATION_LEASE_SECONDS)
    CloudService.objects.update(next_pass_at=None, pass_lease_until=held)
    assert passes.observe("default", "compute") is False
    clock.shift(settings.OPERATION_LEASE_SECONDS + 1)
    assert passes.observe("default", "compute") is True


def test_everything_is_listed_now_and_then(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_FULL_INTERVAL_SECONDS = 300.0
    make_vm()
    observe(full=True)
    first = compute_service()
    assert first.full_observed_at == first.observed_at
    assert first.seen == 1
    clock.shift(100)
    observe()
    second = compute_service()
    assert second.full_observed_at == first.full_observed_at
    assert second.observed_at is not None
    assert first.observed_at is not None
    assert second.observed_at > first.observed_at
    clock.shift(250)
    observe()
    third = compute_service()
    assert third.full_observed_at == third.observed_at
    assert third.passes == first.passes + 2
    assert third.pass_seconds is not None


def test_a_listing_of_everything_delays_no_other_pass(
    make_vm: MakeVM, cloud: MockCloud, settings: Settings
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 0.25
    vm = make_vm()
    observe()
    cloud.controls.inject("servers.stop", kind="stuck")
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    cloud.controls.inject("servers.list_all", kind="slow", delay=0.5)
    observe(full=True)
    row = compute_service()
    assert row.full_pass_seconds is not None
    assert row.full_pass_seconds >= 0.5
    assert health.due_in("default", "compute") == 0
    health.ask_for_pass("default", "compute")
    assert health.due_in("default", "compute") == 0


def test_a_cloud_is_given_time_to_do_what_it_was_asked(
    make_vm: MakeVM, settings: Settings
) -> None:
    make_vm()
    observe()
    long_ago = timezone.now() - timedelta(seconds=20)
    CloudService.objects.update(observed_at=long_ago, pass_seconds=4.0)
    health.ask_for_pass("default", "compute")
    assert 3 < health.due_in("default", "compute") <= 4


@pytest.mark.parametrize("slow", ["pass_seconds", "full_pass_seconds"])
def test_a_slow_cloud_keeps_its_pass_for_longer(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller, slow: str
) -> None:
    make_vm()
    observe()
    asleep = timezone.now() + timedelta(seconds=100)
    CloudService.objects.update(**{slow: 60.0}, next_pass_at=None)
    assert health.claim("default", "compute", timezone.now()) is not None
    lease = compute_service().pass_lease_until
    assert lease is not None
    assert lease > asleep
    clock.shift(settings.OPERATION_LEASE_SECONDS + 1)
    assert passes.observe("default", "compute") is False


def test_requests_to_a_cloud_are_counted(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    observe()
    cloud.controls.reset_counts()
    before = Cloud.objects.get().calls
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    cloud.controls.inject("servers.list_all", kind="fail", status=503)
    observe()
    observe()
    counts = cloud.controls.call_counts()
    assert counts == {"servers.stop": 1, "servers.list_all": 2}
    assert Cloud.objects.get().calls == before + 3


def test_what_was_answered_after_a_pass_began_is_left_to_the_next(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    servers = {server.id: server for server in cloud.servers.list_all()}
    before = timezone.now()
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    listing = Listing(
        before, full=True, servers=servers, server_ids={vm.pk: vm.server_id}
    )
    runner.look("default", "compute", listing, started=before)
    drift.follow_servers("default", listing)
    operation = live()
    assert operation.lease_until is None
    observe()
    assert not Operation.objects.live().exists()


def test_progress_is_shown_while_the_cloud_works(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.stop", kind="stuck")
    vms.act(vm, "stop", actor=ALICE)
    operation = live()
    runner.run(operation.pk)
    observe()
    operation.refresh_from_db()
    assert (operation.status, operation.step) == ("RUNNING", "powering-off")
    assert 0 < operation.progress < 100


def test_a_defect_of_ours_is_shown_and_the_service_asked_again(
    catalogue: None, settings: Settings, request: pytest.FixtureRequest
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 1.0

    def fail(alias: str, listing: Listing) -> None:
        raise RuntimeError("a defect")

    request.addfinalizer(lambda: work.install(WORKS, WATCHES))
    watch = dataclasses.replace(work.watch("compute"), follow=fail)
    work.install(WORKS, [watch])
    observe()
    row = compute_service()
    assert (row.failures, row.last_error) == (1, "RuntimeError: a defect")
    assert row.pass_lease_until is None
    assert 0 < health.due_in("default", "compute") <= 1


def test_one_vm_that_cannot_be_settled_delays_no_other(make_vm: MakeVM) -> None:
    bad, good = make_vm(), make_vm(name="web-server-02")
    for vm in (bad, good):
        vms.act(vm, "stop", actor=ALICE)
        runner.run(VM.objects.get(pk=vm.pk).operation_id)  # type: ignore[arg-type]  # it has one
    # As no transition leads to where it shall be.
    VM.objects.filter(pk=bad.pk).update(status="ACTIVE")
    observe()
    good.refresh_from_db()
    assert good.status == "SHUTOFF"
    assert compute_service().failures == 0


@pytest.mark.parametrize(
    ("call", "service"),
    [
        ("servers.list_all", "compute"),
        ("images.list_snapshots", "image"),
        ("ports.list_all", "network"),
    ],
)
def test_a_service_that_is_away_stops_no_others_passes(
    make_vm: MakeVM, cloud: MockCloud, call: str, service: str
) -> None:
    observe(full=True)
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    cloud.controls.inject(call, kind="fail", times=0, status=503, message="Away.")
    observe(full=True)
    rows = {row.service: row for row in CloudService.objects.all()}
    assert {name: row.failures for name, row in rows.items()} == {
        name: int(name == service) for name in ("compute", "image", "network")
    }
    assert rows[service].last_error == "Away."
    assert Operation.objects.live().exists() == (service == "compute")
    cloud.controls.clear_faults()
    observe(full=True)
    assert not CloudService.objects.exclude(failures=0).exists()
    assert not Operation.objects.live().exists()
