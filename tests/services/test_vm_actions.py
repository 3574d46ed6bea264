"""What can be asked of a VM that is there: what is done, who is told, what is refused."""

from collections.abc import Callable
from functools import partial

import pytest

from compute.errors import (
    InvalidTransition,
    Problem,
)
from compute.events import Actor
from compute.models import VM, Flavor, Image, Operation, Snapshot
from compute.services import snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.services.conftest import history, wrong
from tests.support import invariants as ledger
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

MakeVM = Callable[..., VM]
BOB = Actor("user:bob", request_id="req-bob")


def test_an_action_tells_who_asked_and_how_it_ended(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    told = len(history(vm))
    asked = vms.act(vm, "stop", actor=BOB)
    assert asked.operation is not None
    assert (asked.status, asked.version) == ("STOPPING", vm.version + 1)
    assert asked.operation.from_status == "ACTIVE"
    assert asked.operation.end_status == "SHUTOFF"
    drain()
    vm.refresh_from_db()
    assert vm.version == asked.version + 1
    assert history(vm)[told:] == [
        ("vm.updated", "user:bob", {"status": ["ACTIVE", "STOPPING"]}),
        ("operation.finished", "system", {"status": "SUCCEEDED", "error": None}),
        ("vm.updated", "system", {"status": ["STOPPING", "SHUTOFF"]}),
    ]
    operation = vm.operation
    assert operation is not None
    assert (operation.progress, operation.step) == (100, "")
    assert operation.started_at is not None
    assert operation.finished_at is not None
    assert cloud.controls.logged_actions("req-bob") == ["stop"]


def test_a_soft_reboot_refused_names_the_hard_one(make_vm: MakeVM) -> None:
    vm = make_vm("PAUSED")
    with pytest.raises(InvalidTransition) as caught:
        vms.reboot(vm, actor=ALICE)
    assert "type HARD" in caught.value.detail
    assert "reboot" in caught.value.members["allowed_actions"]
    with pytest.raises(InvalidTransition) as caught:
        vms.reboot(make_vm("SHUTOFF"), actor=ALICE)
    assert "HARD" not in caught.value.detail


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF"])
def test_a_resize_shows_the_new_size_only_when_it_is_there(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, status: str
) -> None:
    vm = make_vm(status)
    vms.resize(vm, flavor="m1.large", actor=ALICE)
    vm.refresh_from_db()
    assert (vm.flavor_name, vm.vcpus) == ("m1.small", 1)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.flavor_name) == ("ACTIVE", "m1.large")
    assert (vm.vcpus, vm.ram_mb, vm.disk_gb) == (4, 8192, 80)
    assert vm.flavor == Flavor.objects.get(name="m1.large")
    ledger.check(cloud)


@pytest.mark.parametrize(
    ("flavor", "code"),
    [
        ("m1.small", "unchanged"),
        ("m1.tiny", "smaller_disk"),
        ("m9.none", "does_not_exist"),
    ],
)
def test_a_resize_that_cannot_work_is_refused(
    make_vm: MakeVM, flavor: str, code: str
) -> None:
    vm = make_vm()
    before = Operation.objects.count()
    ask = partial(vms.resize, vm, flavor=flavor, actor=ALICE)
    assert wrong(ask) == ("#/flavor", code)
    vm.refresh_from_db()
    assert (vm.status, Operation.objects.count()) == ("ACTIVE", before)


def test_a_rebuild_shows_its_image_and_keeps_what_was_off_off(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm("SHUTOFF")
    vms.rebuild(vm, image="debian-12", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.image_name) == ("SHUTOFF", "debian-12")
    assert vm.image == Image.objects.get(name="debian-12")
    assert cloud.servers.get(vm.server_id).image_id == vm.image.provider_id


def test_a_rebuild_from_an_image_that_does_not_fit_is_refused(
    make_vm: MakeVM,
) -> None:
    vm = make_vm(flavor="m1.tiny", image="cirros")
    expected = ("#/image", "too_small")
    assert wrong(lambda: vms.rebuild(vm, image="rocky-9", actor=ALICE)) == expected
    expected = ("#/image", "does_not_exist")
    assert wrong(lambda: vms.rebuild(vm, image="plan9", actor=ALICE)) == expected


@pytest.mark.parametrize("name", ["resize", "rebuild", "restore"])
def test_a_wrong_state_is_told_before_a_wrong_value(make_vm: MakeVM, name: str) -> None:
    vm = make_vm("PAUSED")
    asks: dict[str, Callable[[], object]] = {
        "resize": lambda: vms.resize(vm, flavor="none", actor=ALICE),
        "rebuild": lambda: vms.rebuild(vm, image="none", actor=ALICE),
        "restore": lambda: vms.restore(vm, snapshot="none", actor=ALICE),
    }
    with pytest.raises(InvalidTransition):
        asks[name]()


@pytest.mark.parametrize("by", ["name", "id"])
def test_a_restore_takes_the_vms_own_snapshot(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, by: str
) -> None:
    vm, other = make_vm(), make_vm()
    snapshot = snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
    drain()
    reference = str(getattr(snapshot, by))
    expected = ("#/snapshot", "does_not_exist")
    ask = partial(vms.restore, other, snapshot=reference, actor=ALICE)
    assert wrong(ask) == expected
    vms.restore(vm, snapshot=reference, actor=ALICE)
    with pytest.raises(Problem) as caught:
        snapshots.delete(snapshot, actor=ALICE)
    assert caught.value.code == "operation-in-progress"
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.image_name) == ("ACTIVE", "ubuntu-22.04")
    snapshot.refresh_from_db()
    image_id = snapshot.image_provider_id
    assert cloud.servers.get(vm.server_id).image_id == image_id
    ledger.check(cloud)


def test_a_snapshot_that_is_not_available_restores_nothing(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="fail_async")
    snapshot = snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
    drain()
    assert Snapshot.objects.get(pk=snapshot.pk).status == "ERROR"
    expected = ("#/snapshot", "does_not_exist")
    assert wrong(lambda: VERBS["restore"](vm)) == expected
