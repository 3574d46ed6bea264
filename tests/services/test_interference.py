"""Somebody else acts on the server while an operation of ours is under way."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.engine import runner
from compute.models import VM, Operation, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.services.conftest import Play, live
from tests.support import invariants as ledger
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]


def end_of(vm: VM) -> tuple[str, str, str | None]:
    """Return the status of a VM, and how its operation ended."""
    vm.refresh_from_db()
    assert vm.operation is not None
    error = vm.operation.error or {}
    return vm.status, vm.operation.status, error.get("code")


def send_the_call() -> None:
    runner.run(live().pk)


@pytest.mark.parametrize("way", ["vanish", "delete"])
@pytest.mark.parametrize("name", ["stop", "reboot", "resize", "rebuild", "shelve"])
@pytest.mark.parametrize("sent", [True, False])
def test_a_server_that_goes_meanwhile_is_told(
    make_vm: MakeVM, cloud: MockCloud, play: Play, way: str, name: str, sent: bool
) -> None:
    vm = make_vm()
    cloud.controls.inject(f"servers.{name}", kind="stuck")
    VERBS[name](vm)
    if sent:
        send_the_call()
    if way == "vanish":
        cloud.controls.vanish(vm.server_id)
    else:
        cloud.controls.poke(vm.server_id, status="DELETED")
    play()
    assert end_of(vm) == ("ERROR", "FAILED", "server-vanished")
    ledger.check(cloud)


@pytest.mark.parametrize("way", ["vanish", "delete"])
def test_a_server_that_goes_while_it_is_built_is_told(
    catalogue: None, project: Project, cloud: MockCloud, play: Play, way: str
) -> None:
    cloud.controls.inject("servers.create", kind="stuck")
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    send_the_call()
    vm.refresh_from_db()
    if way == "vanish":
        cloud.controls.vanish(vm.server_id)
    else:
        cloud.controls.poke(vm.server_id, status="DELETED")
    play()
    assert end_of(vm) == ("ERROR", "FAILED", "server-vanished")


@pytest.mark.parametrize(
    ("name", "status", "expected"),
    [
        # It rests elsewhere: what we did is undone.
        ("pause", "SHUTOFF", ("SHUTOFF", "FAILED", "openstack-error")),
        ("reboot", "SHUTOFF", ("SHUTOFF", "FAILED", "openstack-error")),
        ("stop", "ERROR", ("ERROR", "FAILED", "openstack-error")),
        ("resize", "ERROR", ("ERROR", "FAILED", "openstack-error")),
        # It is where it should be, whoever brought it there.
        ("stop", "SHUTOFF", ("SHUTOFF", "SUCCEEDED", None)),
    ],
)
def test_an_operation_ends_where_somebody_else_left_the_server(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    name: str,
    status: str,
    expected: Any,
) -> None:
    vm = make_vm()
    VERBS[name](vm)
    send_the_call()
    cloud.controls.poke(vm.server_id, status=status, fault="Power failed.")
    play()
    assert end_of(vm) == expected
    ledger.check(cloud)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("stop", "ACTIVE", "SHUTOFF"),
        ("start", "SHUTOFF", "ACTIVE"),
        ("pause", "ACTIVE", "PAUSED"),
        ("unpause", "PAUSED", "ACTIVE"),
        ("suspend", "ACTIVE", "SUSPENDED"),
        ("resume", "SUSPENDED", "ACTIVE"),
        ("shelve", "ACTIVE", "SHELVED_OFFLOADED"),
        ("unshelve", "SHELVED_OFFLOADED", "ACTIVE"),
        ("rescue", "ACTIVE", "RESCUE"),
        ("unrescue", "RESCUE", "ACTIVE"),
    ],
)
def test_what_is_refused_because_it_is_done_is_done(
    make_vm: MakeVM, cloud: MockCloud, play: Play, name: str, before: str, after: str
) -> None:
    """By somebody else, or by a call of ours that was taken for lost and came late."""
    vm = make_vm(before)
    VERBS[name](vm)
    cloud.controls.poke(vm.server_id, status=after)
    play()
    assert end_of(vm) == (after, "SUCCEEDED", None)
    ledger.check(cloud)


def test_a_rebuild_that_is_refused_was_not_done_by_anybody(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm("ERROR")
    VERBS["rebuild"](vm)
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    cloud.controls.inject("servers.rebuild", kind="fail", status=409)
    play()
    assert end_of(vm) == ("ACTIVE", "FAILED", "openstack-error")
    ledger.check(cloud)


def test_a_resize_that_somebody_else_confirmed_ends_well(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm("SHUTOFF")
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    send_the_call()
    cloud.servers.act(vm.server_id, "confirm_resize", request_id="req-operator")
    cloud.servers.act(vm.server_id, "start", request_id="req-operator")
    play()
    assert end_of(vm) == ("ACTIVE", "SUCCEEDED", None)
    ledger.check(cloud)


def test_a_cloud_that_is_busy_for_a_moment_is_asked_again(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    cloud.controls.poke(vm.server_id, task_state="image_uploading")
    send_the_call()
    assert Operation.objects.live().exists()
    cloud.controls.poke(vm.server_id)
    play()
    assert end_of(vm) == ("SHUTOFF", "SUCCEEDED", None)


def test_a_pass_shows_how_a_resize_goes_on(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.confirm_resize", kind="stuck")
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    send_the_call()
    for _ in range(2):
        observe()
        for operation in Operation.objects.live().exclude(lease_until=None):
            runner.run(operation.pk)
    operation = live()
    assert (operation.step, operation.progress) == ("confirm_resize", 70)
