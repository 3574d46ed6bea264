"""A delete meets a cloud that does wrong: it is repeated, told, or done.

After each of these the cloud holds no server and no image that nobody owns.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.models import VM, Operation, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.services.conftest import Play
from tests.support import invariants as ledger
from tests.support.faults import ended, once

MakeVM = Callable[..., VM]


def run_all() -> None:
    for operation in Operation.objects.claimable(timezone.now()):
        runner.run(operation.pk)


@once(
    ({"kind": "fail", "status": 404}, None),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
def test_a_delete_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm()
    if fault.get("status") == 404:
        cloud.controls.vanish(vm.server_id)
    cloud.controls.inject("servers.delete", **fault)
    vm = vms.delete(vm, actor=ALICE)
    play()
    ended(vm.operation, code)
    vm.refresh_from_db()
    broken = fault["kind"] == "fail_async"
    assert vm.status == ("ERROR" if broken else "ACTIVE" if code else "DELETED")
    ledger.check(cloud)


def test_a_delete_that_was_begun_and_not_accepted_is_repeated(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    """Nova answers 500 where Neutron is away, and leaves the server ``deleting``."""
    vm = make_vm()
    cloud.controls.poke(vm.server_id, task_state="deleting")
    cloud.controls.inject("servers.delete", kind="fail", status=500)
    vm = vms.delete(vm, actor=ALICE)
    play()
    ended(vm.operation, None)
    assert cloud.controls.call_counts()["servers.delete"] == 2
    ledger.check(cloud)
    assert cloud.servers.list_all() == []


@pytest.mark.parametrize("how", ["delete", "cancel"])
def test_a_server_that_goes_without_a_trace_is_missed_soon(
    make_vm: MakeVM,
    project: Project,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
    how: str,
) -> None:
    """So Nova removes one that was in no cell yet: no listing says that it is gone."""
    other = make_vm()
    cloud.controls.inject("servers.delete", kind="stuck")
    if how == "delete":
        vm = vms.delete(make_vm(), actor=ALICE)
    else:
        cloud.controls.inject("servers.create", kind="stuck")
        vm = vms.create(
            project=project, actor=ALICE, name="b", flavor="m1.small", image="debian-12"
        )
        run_all()
        assert vm.operation is not None
        runner.cancel(vm.operation, actor=ALICE)
    run_all()
    vm.refresh_from_db()
    cloud.controls.vanish(vm.server_id)
    began = timezone.now()
    play()
    assert timezone.now() - began < timedelta(seconds=30)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert [server.id for server in cloud.servers.list_all()] == [other.server_id]
    ledger.check(cloud)


def test_a_delete_that_takes_long_is_asked_about_now_and_then(
    make_vm: MakeVM, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    vm = make_vm()
    observe(full=True)
    cloud.controls.inject("servers.delete", kind="stuck")
    vms.delete(vm, actor=ALICE)
    run_all()
    cloud.controls.reset_counts()
    for _ in range(120):
        clock.shift(1)
        observe()
        run_all()
    assert cloud.controls.call_counts()["servers.list_all"] == 120
    assert 3 <= cloud.controls.call_counts()["servers.get"] <= 12


def test_a_delete_that_failed_can_be_repeated(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm()
    cloud.controls.lock(vm.server_id)
    vms.delete(vm, actor=ALICE)
    play()
    vm.refresh_from_db()
    ended(vm.operation, "openstack-error")
    assert vm.status == "ACTIVE"
    cloud.controls.unlock(vm.server_id)
    vms.delete(vm, actor=ALICE)
    play()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("DELETED", None)
    ledger.check(cloud)
