"""What the cloud does wrong: where the VM settles, what its user is told.

After each of these the cloud holds no server and no image that nobody owns.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.models import VM, Event, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.services.conftest import Play, ask_for_vm
from tests.support import invariants as ledger
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]

#: An injected fault -> the code its operation ends with, ``None`` for success.
#: One refusal ends an operation; what passes, and what may have been done, is retried.
ONCE: list[tuple[dict[str, Any], str | None]] = [
    ({"kind": "fail", "status": 400}, "openstack-refused"),
    ({"kind": "fail", "status": 401}, "openstack-error"),
    ({"kind": "fail", "status": 403}, "openstack-error"),
    ({"kind": "fail", "status": 409}, "openstack-error"),
    ({"kind": "quota"}, "resource-limit-exceeded"),
    ({"kind": "fail", "status": 500}, None),
    ({"kind": "fail", "status": 503}, None),
    ({"kind": "hang"}, None),
    ({"kind": "lose_response"}, None),
    ({"kind": "slow"}, None),
]
FOREVER: list[tuple[dict[str, Any], str]] = [
    ({"kind": "fail", "status": 500}, "openstack-unavailable"),
    ({"kind": "fail", "status": 503}, "openstack-unavailable"),
    ({"kind": "hang"}, "openstack-timeout"),
]


def names(faults: list[tuple[dict[str, Any], Any]]) -> list[str]:
    return ["-".join(str(value) for value in fault.values()) for fault, _ in faults]


def once(*others: tuple[dict[str, Any], str | None]) -> pytest.MarkDecorator:
    rows = [*ONCE, *others]
    return pytest.mark.parametrize(("fault", "code"), rows, ids=names(rows))


def forever() -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("fault", "code"), FOREVER, ids=names(FOREVER))


def run_all() -> None:
    for operation in Operation.objects.claimable(timezone.now()):
        runner.run(operation.pk)


def ended(operation: Operation | None, code: str | None) -> None:
    """Assert how an operation ended: with a problem of this code, or well."""
    assert operation is not None
    operation.refresh_from_db()
    if code is None:
        assert (operation.status, operation.error) == ("SUCCEEDED", None)
        return
    assert operation.status == "FAILED"
    assert operation.error is not None
    assert operation.error["code"] == code
    assert operation.error["detail"]
    finished = Event.objects.get(operation=operation, type="operation.finished")
    assert finished.data == {"status": "FAILED", "error": operation.error}
    assert finished.request_id == ALICE.request_id


# Create


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


def test_a_second_server_that_showed_too_late_goes_with_its_vm(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
) -> None:
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


# One call: stop, reboot


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
    """So Nova does when its message bus fails: no answer, no end, busy for ever."""
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


# Resize: three calls


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


# Snapshots


@once(
    ({"kind": "fail", "status": 404}, "openstack-error"),
    ({"kind": "fail_async"}, "openstack-error"),
    ({"kind": "stuck"}, "openstack-timeout"),
)
def test_a_snapshot_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", **fault)
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    play()
    ended(snapshot.operation, code)
    snapshot.refresh_from_db()
    assert snapshot.status == ("ERROR" if code else "AVAILABLE")
    assert (snapshot.error or {}).get("code") == code
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)
    ledger.check(cloud)
    snapshots.delete(snapshot, actor=ALICE)
    play()
    assert cloud.images.list_snapshots() == []
    ledger.check(cloud)


def test_a_snapshot_whose_answers_are_all_lost_is_one_image(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.snapshot", kind="lose_response", times=0)
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    play()
    ended(snapshot.operation, None)
    assert cloud.controls.call_counts()["servers.snapshot"] == 1
    ledger.check(cloud)


@once(({"kind": "fail", "status": 404}, None))
def test_a_snapshots_delete_that_goes_wrong_once(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
    code: str | None,
) -> None:
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    play()
    # The image is really gone when the cloud says that it does not know it.
    if fault.get("status") == 404:
        cloud.controls.remove_image(Snapshot.objects.get().image_provider_id)
    cloud.controls.inject("images.delete", **fault)
    snapshot = snapshots.delete(snapshot, actor=ALICE)
    play()
    ended(snapshot.operation, code)
    snapshot.refresh_from_db()
    assert snapshot.status == ("AVAILABLE" if code else "DELETED")
    ledger.check(cloud)


# Delete


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
