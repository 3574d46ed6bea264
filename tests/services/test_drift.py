"""What changed in a cloud without us: it is followed, told, and never guessed at."""

from collections.abc import Callable

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.models import VM, Event, Project
from compute.services import vms
from compute.services.vms import drift
from compute.services.vms.observed import Listing
from providers.contract.flavors import Flavor
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, compute_service, observe
from tests.services.conftest import live
from tests.support.factories import VMFactory

MakeVM = Callable[..., VM]


def drifts(vm: VM) -> list[list[str]]:
    found = (
        Event.objects.about("vm", vm.pk).filter(type="vm.drifted").order_by("sequence")
    )
    assert all(event.actor == "system" for event in found)
    return [event.changes["status"] for event in found]


@pytest.mark.parametrize(
    "status", ["SHUTOFF", "PAUSED", "SUSPENDED", "SHELVED_OFFLOADED", "RESCUE", "ERROR"]
)
@pytest.mark.parametrize("full", [True, False])
def test_a_change_made_outside_is_followed(
    make_vm: MakeVM, cloud: MockCloud, status: str, full: bool
) -> None:
    vm = make_vm()
    version = vm.version
    cloud.controls.poke(vm.server_id, status=status, fault="The host burned down.")
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


def test_a_resize_made_outside_is_followed(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm(flavor="m1.small")
    cloud.controls.poke(vm.server_id, status="VERIFY_RESIZE", flavor_id="3")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.observed_status) == ("ACTIVE", "VERIFY_RESIZE")
    assert vm.flavor_name == "m1.small"  # it may be reverted yet
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.observed_status) == ("ACTIVE", "ACTIVE")
    assert (vm.flavor_name, vm.vcpus, vm.ram_mb, vm.disk_gb) == (
        "m1.medium",
        2,
        4096,
        40,
    )
    assert vm.flavor is not None
    assert vm.flavor.name == "m1.medium"
    event = Event.objects.about("vm", vm.pk).latest("sequence")
    assert (event.type, event.changes["flavor_name"]) == (
        "vm.updated",
        ["m1.small", "m1.medium"],
    )


def test_a_flavor_the_catalogue_lacks_is_followed_by_name(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.put_flavor(
        Flavor(id="9", name="secret", vcpus=3, ram_mb=3, disk_gb=30)
    )
    cloud.controls.poke(vm.server_id, status="SHUTOFF", flavor_id="9")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.flavor_name, vm.flavor, vm.vcpus) == (
        "SHUTOFF",
        "secret",
        None,
        3,
    )
    assert drifts(vm) == [["ACTIVE", "SHUTOFF"]]


def test_a_recovery_made_outside_is_followed_and_the_error_goes(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm("ERROR")
    assert vm.error is not None
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)
    assert drifts(vm) == [["ACTIVE", "ERROR"], ["ERROR", "ACTIVE"]]


def test_what_is_moved_from_outside_is_followed_once_it_rests(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.poke(vm.server_id, task_state="powering-off")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("ACTIVE", [])
    cloud.controls.poke(vm.server_id, status="SHUTOFF")
    observe()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"


def test_a_resize_made_outside_is_not_shown_before_it_is_confirmed(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.servers.resize(vm.server_id, flavor_id="3", request_id="req-operator")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("ACTIVE", [])


def test_a_server_reported_as_deleted_is_gone_at_once(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.servers.delete(vm.server_id, request_id="req-operator")
    observe()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert vm.error["code"] == "server-vanished"
    assert vm.deleted_at is None
    assert drifts(vm) == [["ACTIVE", "ERROR"]]
    observe(full=True)  # which finds it on no network any more
    vm.refresh_from_db()
    version = vm.version
    for full in (False, True, True):
        observe(full=full)
    vm.refresh_from_db()
    assert (len(drifts(vm)), vm.version, vm.networks) == (1, version, [])


def test_a_server_that_is_absent_is_gone_only_the_second_time(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.vanish(vm.server_id)
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
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.vanish(vm.server_id)
    vms.act(vm, "stop", actor=ALICE)
    drain()
    observe(full=True)  # which finds it on no network any more
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
    catalogue: None, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    server = SeedServer("web", "2", "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061")
    (server_id,) = cloud.controls.seed([server])
    vm = VMFactory.create(server_id="elsewhere")
    clock.shift(1)
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
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.vanish(vm.server_id)
    for _ in range(3):
        cloud.controls.inject("servers.list_all", kind="truncate", match="full")
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since) == ("ACTIVE", None)
    row = compute_service()
    assert row.failures == 3
    assert row.last_error
    assert row.last_error_at is not None
    assert row.pass_lease_until is None


@pytest.mark.parametrize("outside", ["poke", "delete", "vanish"])
def test_nothing_is_corrected_while_an_operation_lives(
    make_vm: MakeVM, cloud: MockCloud, outside: str
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    if outside == "poke":
        cloud.controls.poke(vm.server_id, status="PAUSED")
    elif outside == "delete":
        cloud.servers.delete(vm.server_id, request_id="req-operator")
    else:
        cloud.controls.vanish(vm.server_id)
    for _ in range(3):
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since, drifts(vm)) == ("STOPPING", None, [])


def test_a_listing_older_than_the_end_of_an_operation_does_not_undo_it(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    servers = {server.id: server for server in cloud.servers.list_all()}
    before = timezone.now()
    vms.act(vm, "stop", actor=ALICE)
    operation = live()
    runner.run(operation.pk)
    observe()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
    listing = Listing(
        before, full=True, servers=servers, server_ids={vm.pk: vm.server_id}
    )
    drift.follow_servers("default", listing)
    vm.refresh_from_db()
    assert (vm.status, drifts(vm)) == ("SHUTOFF", [])


def test_a_deleted_vm_is_left_alone(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm("DELETED")
    version = vm.version
    for full in (False, True, True):
        observe(full=full)
    vm.refresh_from_db()
    assert (vm.status, vm.version, drifts(vm)) == ("DELETED", version, [])


def test_servers_of_others_are_ignored(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    image = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"
    cloud.controls.seed([SeedServer(name="theirs", flavor_id="1", image_id=image)])
    observe(full=True)
    assert not VM.objects.exists()
    assert not Event.objects.exists()


def test_new_addresses_are_shown(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    known = vm.addresses
    assert [address["network"] for address in known] == ["private"]
    # As of one of which no port is known yet.
    VM.objects.filter(pk=vm.pk).update(addresses=[], networks=[])
    cloud.controls.poke(vm.server_id)
    observe()
    vm.refresh_from_db()
    assert vm.addresses == known
    event = Event.objects.about("vm", vm.pk).latest("sequence")
    assert (event.type, event.changes) == ("vm.updated", {"addresses": [[], known]})
