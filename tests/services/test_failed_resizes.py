"""A resize, which takes three calls, meets a cloud that does wrong at each of them.

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
from tests.support.faults import ended, once

MakeVM = Callable[..., VM]


@once(
    ({"kind": "fail", "status": 404}, None),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
@pytest.mark.parametrize(
    "call", ["servers.resize", "servers.confirm_resize", "servers.start"]
)
def test_a_resize_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    call: str,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm("SHUTOFF")
    cloud.controls.inject(call, **fault)
    vm = vms.resize(vm, flavor="m1.medium", actor=ALICE)
    play()
    ended(vm.operation, code)
    vm.refresh_from_db()
    resized = code is None or call != "servers.resize"
    assert vm.flavor_name == ("m1.medium" if resized else "m1.small")
    assert vm.vcpus == (2 if resized else 1)
    if code is None:
        assert vm.status == "ACTIVE"
    elif (call, fault["kind"]) == ("servers.confirm_resize", "fail_async"):
        assert vm.status == "ERROR"
    else:
        assert vm.status == "SHUTOFF"
    ledger.check(cloud)


def test_a_resize_whose_answers_are_all_lost_is_sent_once(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm("SHUTOFF")
    for call in ("servers.resize", "servers.confirm_resize", "servers.start"):
        cloud.controls.inject(call, kind="lose_response", times=0)
    vm = vms.resize(vm, flavor="m1.medium", actor=ALICE)
    play()
    ended(vm.operation, None)
    counts = cloud.controls.call_counts()
    assert counts["servers.resize"] == 1
    assert counts["servers.confirm_resize"] == 1
    assert counts["servers.start"] == 1
    ledger.check(cloud)
