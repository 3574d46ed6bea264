"""A create meets a cloud that does wrong: where the VM settles, what its user is told.

After each of these the cloud holds no server and no image that nobody owns.
"""

from collections.abc import Callable
from typing import Any

import time_machine

from compute.models import VM, Network, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.services.conftest import Play, ask_for_vm
from tests.support import invariants as ledger
from tests.support.faults import ended, forever, once

MakeVM = Callable[..., VM]


@once(
    ({"kind": "fail", "status": 404}, "openstack-error"),
    ({"kind": "hidden", "delay": 8.0}, None),
    ({"kind": "build_error"}, "openstack-error"),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
def test_a_create_that_goes_wrong_once(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    cloud.controls.inject("servers.create", **fault)
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, code)
    vm.refresh_from_db()
    assert vm.status == ("ERROR" if code else "ACTIVE")
    assert (vm.error or {}).get("code") == code
    ledger.check(cloud)
    vms.delete(vm, actor=ALICE)
    play()
    ledger.check(cloud)
    assert cloud.servers.list_all() == []


@forever()
def test_a_create_that_never_works_is_given_up(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str,
) -> None:
    cloud.controls.inject("servers.create", times=0, **fault)
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, code)
    assert cloud.servers.list_all() == []
    observe(full=True)  # which removes its port
    ledger.check(cloud)


def test_a_create_whose_answers_are_all_lost_makes_one_server(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", kind="lose_response", times=0)
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, None)
    assert cloud.controls.call_counts()["servers.create"] == 1
    ledger.check(cloud)


def test_a_create_whose_answer_is_lost_and_whose_server_shows_late(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", kind="hidden", delay=3.0)
    cloud.controls.inject("servers.create", kind="lose_response")
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, None)
    ledger.check(cloud)


def test_a_port_tells_which_server_a_lost_create_has_made(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", kind="hidden", delay=20.0)
    cloud.controls.inject("servers.create", kind="lose_response")
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, None)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert len(cloud.servers.list_all()) == 1
    ledger.check(cloud)


def test_a_second_server_that_showed_too_late_goes_with_its_vm(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
) -> None:
    # With a port of ours a second server cannot be: Nova makes the ports here.
    Network.objects.update(default=False)
    cloud.controls.inject("servers.create", kind="hidden", delay=20.0)
    cloud.controls.inject("servers.create", kind="lose_response")
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, None)
    clock.shift(30)
    assert len(cloud.servers.list_all()) == 2
    vms.delete(vm, actor=ALICE)
    play()
    ledger.check(cloud)


def test_a_server_that_never_shows_is_given_up(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", kind="hidden", delay=100_000)
    vm = ask_for_vm(project)
    play()
    ended(vm.operation, "server-vanished")
    vm.refresh_from_db()
    assert vm.status == "ERROR"
