"""An action of one call meets a cloud that does wrong: where the VM settles.

After each of these the cloud holds no server and no image that nobody owns.
"""

from collections.abc import Callable
from typing import Any

import pytest

from compute.models import VM
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE
from tests.services.conftest import Play
from tests.support import invariants as ledger
from tests.support.faults import ended, forever, once
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]


@once(
    ({"kind": "fail", "status": 404}, None),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
def test_a_stop_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.stop", **fault)
    vm = vms.act(vm, "stop", actor=ALICE)
    play()
    ended(vm.operation, code)
    vm.refresh_from_db()
    assert vm.status == ("ACTIVE" if code else "SHUTOFF")
    ledger.check(cloud)


def test_a_stop_that_the_cloud_lost_is_told_and_leaves_a_way_out(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    """When its message bus fails Nova never answers, and the server stays busy."""
    vm = make_vm()
    cloud.controls.inject("servers.stop", kind="stuck")
    cloud.controls.inject("servers.stop", kind="lose_response")
    vm = vms.act(vm, "stop", actor=ALICE)
    play()
    ended(vm.operation, "openstack-timeout")
    assert cloud.controls.call_counts()["servers.stop"] == 1
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    vm = vms.delete(vm, actor=ALICE)
    play()
    ended(vm.operation, None)
    assert cloud.servers.list_all() == []
    ledger.check(cloud)


@once(
    ({"kind": "fail", "status": 404}, None),
    # A failed reboot whose guest still runs leaves no trace: Nova says it worked.
    ({"kind": "fail_async"}, None),
    ({"kind": "stuck"}, "openstack-timeout"),
)
@pytest.mark.parametrize("type", vms.RebootType)
def test_a_reboot_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    type: vms.RebootType,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.reboot", **fault)
    vm = vms.reboot(vm, type=type, actor=ALICE)
    play()
    ended(vm.operation, code)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    ledger.check(cloud)


def test_a_reboot_whose_answer_is_lost_is_not_sent_again(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.reboot", kind="lose_response", times=0)
    vm = vms.reboot(vm, actor=ALICE)
    play()
    ended(vm.operation, None)
    assert cloud.controls.call_counts()["servers.reboot"] == 1


@forever()
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("stop", "servers.stop"),
        ("reboot", "servers.reboot"),
        ("resize", "servers.resize"),
        ("rebuild", "servers.rebuild"),
        ("suspend", "servers.suspend"),
        ("remove", "servers.delete"),
    ],
)
def test_an_action_that_never_works_leaves_the_vm_as_it_was(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    name: str,
    call: str,
    fault: dict[str, Any],
    code: str,
) -> None:
    vm = make_vm()
    cloud.controls.inject(call, times=0, **fault)
    VERBS[name](vm)
    play()
    vm.refresh_from_db()
    ended(vm.operation, code)
    assert vm.status == "ACTIVE"
    assert cloud.controls.call_counts()[call] == 6 if fault["kind"] == "fail" else True
    ledger.check(cloud)


@pytest.mark.parametrize("name", ["pause", "suspend", "shelve", "rescue", "rebuild"])
@pytest.mark.parametrize("kind", ["lose_response", "hang", "fail_async", "stuck"])
def test_other_actions_settle_on_what_the_cloud_says(
    make_vm: MakeVM, cloud: MockCloud, play: Play, name: str, kind: Any
) -> None:
    vm = make_vm()
    cloud.controls.inject(f"servers.{name}", kind=kind)
    VERBS[name](vm)
    play()
    vm.refresh_from_db()
    codes = {"fail_async": "openstack-error", "stuck": "openstack-timeout"}
    ended(vm.operation, codes.get(kind))
    if kind in codes:
        broken = (name, kind) == ("rebuild", "fail_async")
        assert vm.status == ("ERROR" if broken else "ACTIVE")
    ledger.check(cloud)
