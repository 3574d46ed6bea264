"""Passes over a cloud: they end operations, follow drift, and cost next to nothing."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute.models import VM, Cloud, Event, Operation, Project
from compute.services import operations, snapshots, sync, vms
from providers.mock import MockProvider, SeedServer
from tests.conftest import ALICE, Drain, observe
from tests.factories import VMFactory
from tests.services import ledger

MakeVM = Callable[..., VM]


def drifts(vm: VM) -> list[list[str]]:
    found = Event.objects.filter(vm=vm, type="vm.drifted").order_by("sequence")
    assert all(event.actor == "system" for event in found)
    return [event.data["status"] for event in found]


def adopt_servers(cloud: MockProvider, count: int) -> list[VM]:
    """Make VMs at rest with their servers, many and fast."""
    vms_made = VMFactory.create_batch(count, image_name="cirros")
    ids = cloud.seed(
        SeedServer(
            name=vm.name,
            flavor_id="2",
            image_id="0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061",
            tags=frozenset({str(vm.pk)}),
        )
        for vm in vms_made
    )
    for vm, server_id in zip(vms_made, ids, strict=True):
        VM.objects.filter(pk=vm.pk).update(server_id=server_id)
    return list(VM.objects.filter(server_id__in=ids))


# Drift


@pytest.mark.parametrize(
    "status", ["SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "RESCUE", "ERROR"]
)
@pytest.mark.parametrize("full", [True, False])
def test_a_change_made_outside_is_followed(
    make_vm: MakeVM, cloud: MockProvider, status: str, full: bool
) -> None:
    vm = make_vm()
    version = vm.version
    cloud.poke(vm.server_id, status=status, fault="The host burned down.")
    observe(full=full)
    vm.refresh_from_db()
    assert vm.status == vm.observed_status == status
    assert vm.version == version + 1
    assert drifts(vm) == [["ACTIVE", status]]
    if status == "ERROR":
        assert vm.error is not None
        assert vm.error["code"] == "openstack-error"
        assert "burned down" in vm.error["detail"]
    observe(full=full)
    vm.refresh_from_db()
    assert (len(drifts(vm)), vm.version) == (1, version + 1)


def test_a_recovery_made_outside_is_followed_and_the_error_goes(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm("ERROR")
    assert vm.error is not None
    cloud.poke(vm.server_id, status="ACTIVE")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)
    assert drifts(vm) == [["ACTIVE", "ERROR"], ["ERROR", "ACTIVE"]]


def test_what_is_moved_from_outside_is_followed_once_it_rests(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.poke(vm.server_id, task_state="powering-off")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("ACTIVE", [])
    cloud.poke(vm.server_id, status="SHUTOFF")
    observe()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"


def test_a_resize_made_outside_is_not_shown_before_it_is_confirmed(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.resize_server(vm.server_id, flavor_id="3", request_id="req-operator")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("ACTIVE", [])


def test_a_server_reported_as_deleted_is_gone_at_once(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.delete_server(vm.server_id, request_id="req-operator")
    observe()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert vm.error["code"] == "server-vanished"
    assert vm.deleted_at is None
    assert drifts(vm) == [["ACTIVE", "ERROR"]]
    version = vm.version
    for full in (False, True, True):
        observe(full=full)
    vm.refresh_from_db()
    assert (len(drifts(vm)), vm.version) == (1, version)


def test_a_server_that_is_absent_is_gone_only_the_second_time(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.vanish(vm.server_id)
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since) == ("ACTIVE", None)
    observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert vm.missing_since is not None
    observe()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert vm.error["code"] == "server-vanished"
    for _ in range(2):
        observe(full=True)
    assert drifts(vm) == [["ACTIVE", "ERROR"]]


def test_a_vanished_server_that_an_operation_found_gone_is_told_once(
    make_vm: MakeVM, cloud: MockProvider, drain: Drain
) -> None:
    vm = make_vm()
    cloud.vanish(vm.server_id)
    vms.stop(vm, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    error, version = vm.error, vm.version
    assert error is not None
    assert error["code"] == "server-vanished"
    for _ in range(3):
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.error, vm.version, drifts(vm)) == (error, version, [])


def test_a_server_that_is_back_counts_from_the_start(
    make_vm: MakeVM, cloud: MockProvider, clock: time_machine.Traveller
) -> None:
    vm = make_vm()
    server_id = vm.server_id
    VM.objects.filter(pk=vm.pk).update(server_id="elsewhere")
    observe(full=True)
    VM.objects.filter(pk=vm.pk).update(server_id=server_id)
    clock.shift(60)
    observe(full=True)
    vm.refresh_from_db()
    assert vm.missing_since is None
    VM.objects.filter(pk=vm.pk).update(server_id="elsewhere")
    observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"


def test_a_listing_that_broke_off_proves_nothing(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.vanish(vm.server_id)
    for _ in range(3):
        cloud.inject("list_servers", kind="truncate", match="full")
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since) == ("ACTIVE", None)
    row = Cloud.objects.get()
    assert row.failures == 3
    assert row.last_error
    assert row.last_error_at is not None
    assert row.pass_lease_until is None


@pytest.mark.parametrize("outside", ["poke", "delete", "vanish"])
def test_nothing_is_corrected_while_an_operation_lives(
    make_vm: MakeVM, cloud: MockProvider, outside: str
) -> None:
    vm = make_vm()
    vms.stop(vm, actor=ALICE)
    if outside == "poke":
        cloud.poke(vm.server_id, status="PAUSED")
    elif outside == "delete":
        cloud.delete_server(vm.server_id, request_id="req-operator")
    else:
        cloud.vanish(vm.server_id)
    for _ in range(3):
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since, drifts(vm)) == ("STOPPING", None, [])


def test_a_listing_older_than_the_end_of_an_operation_does_not_undo_it(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    servers = cloud.list_servers()
    before = timezone.now()
    vms.stop(vm, actor=ALICE)
    operation = Operation.objects.live().get()
    operations.run(operation.pk)
    observe()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
    sync._read("default", servers, None, started=before, full=True)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("SHUTOFF", [])


def test_a_deleted_vm_is_left_alone(make_vm: MakeVM, cloud: MockProvider) -> None:
    vm = make_vm("DELETED")
    version = vm.version
    for full in (False, True, True):
        observe(full=full)
    vm.refresh_from_db()
    assert (vm.status, vm.version, drifts(vm)) == ("DELETED", version, [])


def test_servers_of_others_are_ignored(
    catalogue: None, project: Project, cloud: MockProvider
) -> None:
    image = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"
    cloud.seed([SeedServer(name="theirs", flavor_id="1", image_id=image)])
    observe(full=True)
    assert not VM.objects.exists()
    assert not Event.objects.exists()


def test_new_addresses_are_shown(make_vm: MakeVM, cloud: MockProvider) -> None:
    vm = make_vm()
    known = vm.addresses
    assert [address["network"] for address in known] == ["private"]
    VM.objects.filter(pk=vm.pk).update(addresses=[])
    cloud.poke(vm.server_id)
    observe()
    vm.refresh_from_db()
    assert vm.addresses == known
    event = Event.objects.filter(vm=vm).latest("sequence")
    assert (event.type, event.data) == ("vm.updated", {"addresses": [[], known]})


# What a pass costs


@pytest.mark.parametrize("full", [True, False])
def test_a_pass_over_quiet_vms_writes_one_row(
    catalogue: None, project: Project, cloud: MockProvider, full: bool
) -> None:
    made = adopt_servers(cloud, 60)
    observe(full=True)
    versions = dict(VM.objects.values_list("pk", "version"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        observe(full=full)
    writes = [q["sql"] for q in queries if not q["sql"].startswith("SELECT")]
    # Two are of `observe` itself, which makes the pass due.
    writes = [sql for sql in writes if "INSERT" in sql or "UPDATE" in sql]
    assert all('"compute_cloud"' in sql for sql in writes), writes
    assert len(queries) < 20
    assert dict(VM.objects.values_list("pk", "version")) == versions
    assert len(made) == 60


def test_a_stop_costs_one_call_and_shared_listings(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    vms.stop(vm, actor=ALICE)
    cloud.reset_counts()
    operations.run(Operation.objects.live().get().pk)
    observe()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
    assert cloud.call_counts() == {"stop_server": 1, "list_servers": 1}


def test_fifty_vms_in_flight_cost_no_more_listings_than_one(
    catalogue: None, project: Project, cloud: MockProvider
) -> None:
    made = adopt_servers(cloud, 50)
    observe(full=True)
    for vm in made:
        vms.stop(vm, actor=ALICE)
    cloud.reset_counts()
    for operation in Operation.objects.live():
        operations.run(operation.pk)
    observe()
    assert not Operation.objects.live().exists()
    assert set(VM.objects.values_list("status", flat=True)) == {"SHUTOFF"}
    assert cloud.call_counts() == {"stop_server": 50, "list_servers": 1}
    ledger.check(cloud)


def test_images_are_listed_only_while_a_snapshot_is_taken(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    snapshots.create(vm, actor=ALICE, name="before")
    cloud.reset_counts()
    operations.run(Operation.objects.live().get().pk)
    observe()
    assert cloud.call_counts() == {
        "snapshot_server": 1,
        "list_servers": 1,
        "list_snapshot_images": 1,
    }
    assert not Operation.objects.live().exists()
    observe()
    assert cloud.call_counts()["list_snapshot_images"] == 1


# When a pass is made


def test_passes_follow_each_other_fast_only_while_operations_live(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 2.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 20.0
    vm = make_vm()
    observe()
    assert 19 < sync.due_in("default") <= 20
    vms.stop(vm, actor=ALICE)
    observe()
    assert 1 < sync.due_in("default") <= 2
    assert sync.observe("default") is False
    clock.shift(2)
    assert sync.due_in("default") == 0
    assert sync.observe("default") is True


def test_a_pass_asked_for_is_made_soon_but_not_too_soon(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 2.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 20.0
    make_vm()
    observe()
    sync.ask_for_pass("default")
    assert 1 < sync.due_in("default") <= 2
    sync.ask_for_pass("default")
    assert 1 < sync.due_in("default") <= 2
    clock.shift(1.5)
    assert sync.due_in("default") <= 0.5
    clock.shift(10)
    observe()
    clock.shift(10)
    sync.ask_for_pass("default")
    assert sync.due_in("default") == 0


def test_a_cloud_that_nobody_observed_is_due(cloud: MockProvider, db: None) -> None:
    assert sync.due_in("default") == 0
    sync.ask_for_pass("default")
    assert not Cloud.objects.exists()
    assert sync.observe("default") is True


def test_a_slow_cloud_is_asked_less_often(settings: Settings) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 0.5
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 30.0
    assert sync.live_interval(0.01) == 0.5
    assert sync.live_interval(2.0) == 10.0
    assert sync.live_interval(60.0) == 30.0


def test_a_cloud_that_fails_is_asked_ever_less_often(
    catalogue: None, cloud: MockProvider, settings: Settings
) -> None:
    settings.OBSERVE_INTERVAL_LIVE_SECONDS = 1.0
    settings.OBSERVE_INTERVAL_IDLE_SECONDS = 10.0
    cloud.inject("list_servers", kind="fail", times=0, status=503, message="Down.")
    waits = []
    for _ in range(6):
        observe()
        waits.append(round(sync.due_in("default")))
    assert waits == [1, 2, 4, 8, 10, 10]
    cloud.clear_faults()
    observe()
    row = Cloud.objects.get()
    assert (row.failures, row.last_error) == (0, "Down.")


def test_a_pass_that_died_is_taken_over(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    make_vm()
    held = timezone.now() + timedelta(seconds=settings.OPERATION_LEASE_SECONDS)
    Cloud.objects.update(next_pass_at=None, pass_lease_until=held)
    assert sync.observe("default") is False
    clock.shift(settings.OPERATION_LEASE_SECONDS + 1)
    assert sync.observe("default") is True


def test_everything_is_listed_now_and_then(
    make_vm: MakeVM, settings: Settings, clock: time_machine.Traveller
) -> None:
    settings.OBSERVE_FULL_INTERVAL_SECONDS = 300.0
    make_vm()
    observe(full=True)
    first = Cloud.objects.get()
    assert first.full_observed_at == first.observed_at
    assert first.servers_seen == 1
    clock.shift(100)
    observe()
    second = Cloud.objects.get()
    assert second.full_observed_at == first.full_observed_at
    assert second.observed_at is not None
    assert first.observed_at is not None
    assert second.observed_at > first.observed_at
    clock.shift(250)
    observe()
    third = Cloud.objects.get()
    assert third.full_observed_at == third.observed_at
    assert third.passes == first.passes + 2
    assert third.pass_seconds is not None


def test_what_was_answered_after_a_pass_began_is_left_to_the_next(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    servers = cloud.list_servers()
    before = timezone.now()
    vms.stop(vm, actor=ALICE)
    operations.run(Operation.objects.live().get().pk)
    sync._read("default", servers, None, started=before, full=True)
    operation = Operation.objects.live().get()
    assert operation.lease_until is None
    observe()
    assert not Operation.objects.live().exists()


def test_progress_is_shown_while_the_cloud_works(
    make_vm: MakeVM, cloud: MockProvider
) -> None:
    vm = make_vm()
    cloud.inject("stop_server", kind="stuck")
    vms.stop(vm, actor=ALICE)
    operation = Operation.objects.live().get()
    operations.run(operation.pk)
    observe()
    operation.refresh_from_db()
    assert (operation.status, operation.step) == ("RUNNING", "powering-off")
    assert 0 < operation.progress < 100
