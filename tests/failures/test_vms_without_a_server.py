"""A VM without a server offers a delete, says why it is there, and holds no quota."""

from collections.abc import Callable

import pytest

from compute.errors import InvalidTransition
from compute.models import VM, Event, Operation, Project, Quota, Snapshot
from compute.services import snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import ask_for_vm
from tests.support import invariants as ledger
from tests.support.api import Api, problem
from tests.support.console import Operator
from tests.support.lifecycle import TABLE
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

MakeVM = Callable[..., VM]

WORDS = "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances"


@pytest.fixture(params=["refused", "unreachable", "reported", "absent", "found out"])
def lost(
    request: pytest.FixtureRequest,
    catalogue: None,
    project: Project,
    make_vm: MakeVM,
    cloud: MockCloud,
    drain: Drain,
) -> VM:
    """A VM whose create came to nothing, or whose server is gone."""
    match request.param:
        case "refused":
            cloud.controls.inject("servers.create", kind="quota", message=WORDS)
            vm = ask_for_vm(project)
            drain()
        case "unreachable":
            cloud.controls.inject("servers.create", kind="refuse", times=6)
            vm = ask_for_vm(project)
            drain()
        case "reported":
            vm = make_vm()
            cloud.servers.delete(vm.server_id, request_id="req-operator")
            observe()
        case "absent":
            vm = make_vm()
            cloud.controls.vanish(vm.server_id)
            observe(full=True)
            observe(full=True)
        case "found out":
            vm = make_vm()
            cloud.controls.vanish(vm.server_id)
            vms.reboot(vm, actor=ALICE)
            drain()
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    return vm


def used(project: Project) -> dict[str, int]:
    return dict(Quota.objects.filter(project=project).values_list("resource", "used"))


#: What a VM in ERROR offers beside a delete.
NEED_A_SERVER = [n for n, row in TABLE.items() if "ERROR" in row.ends and n != "remove"]

ONE_SMALL = {
    "vms": 1,
    "vcpus": 1,
    "ram_mb": 2048,
    "disk_gb": 20,
    "snapshots": 0,
    "keypairs": 0,
}
NOTHING = dict.fromkeys(ONE_SMALL, 0)


def test_only_a_delete_is_offered_by_every_door(
    lost: VM, api: Api, operator: Operator
) -> None:
    assert lost.allowed_actions == ("delete",)
    assert api.get(f"/vms/{lost.pk}").json()["allowed_actions"] == ["delete"]
    (row,) = api.get("/vms").json()["results"]
    assert row["allowed_actions"] == ["delete"]
    page = operator.get(f"compute/vm/{lost.pk}/change/")
    assert "/actions/" not in page
    assert "Delete…" in page
    assert "It has no server in the cloud" in page


@pytest.mark.parametrize("name", NEED_A_SERVER)
def test_what_needs_a_server_is_refused_and_hides_no_cause(lost: VM, name: str) -> None:
    why, count = lost.error, Operation.objects.count()
    with pytest.raises(InvalidTransition) as caught:
        VERBS[name](lost)
    assert "has no server" in caught.value.detail
    assert caught.value.members == {"vm_status": "ERROR", "allowed_actions": ["delete"]}
    lost.refresh_from_db()
    assert (lost.status, lost.error) == ("ERROR", why)
    assert Operation.objects.count() == count


def test_its_console_is_refused_without_asking_the_cloud(
    lost: VM, api: Api, cloud: MockCloud
) -> None:
    cloud.controls.reset_counts()
    answer = api.get(f"/vms/{lost.pk}/console-log")
    problem(answer, 409, "invalid-transition")
    assert cloud.controls.call_counts() == {}


def test_it_holds_no_quota_and_its_delete_gives_nothing_back_twice(
    lost: VM, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    assert used(project) == NOTHING
    vms.delete(lost, actor=ALICE)
    drain()
    lost.refresh_from_db()
    assert (lost.status, lost.error) == ("DELETED", None)
    assert used(project) == NOTHING
    observe(full=True)  # which removes its port
    ledger.check(cloud)


def test_a_delete_that_fails_hides_no_cause(
    lost: VM, cloud: MockCloud, drain: Drain
) -> None:
    why = lost.error
    for call in ("servers.find", "servers.delete"):
        cloud.controls.inject(call, kind="fail", status=403)
    vms.delete(lost, actor=ALICE)
    drain()
    lost.refresh_from_db()
    assert lost.operation is not None
    assert lost.operation.status == "FAILED"
    assert (lost.status, lost.error) == ("ERROR", why)
    assert lost.allowed_actions == ("delete",)


@pytest.mark.parametrize("status", ["ACTIVE", "ERROR"])
@pytest.mark.parametrize("moving", [True, False])
def test_a_server_that_is_back_counts_again_and_offers_all(
    make_vm: MakeVM, project: Project, cloud: MockCloud, status: str, moving: bool
) -> None:
    vm = make_vm()
    server_id = vm.server_id
    VM.objects.filter(pk=vm.pk).update(server_id="elsewhere")
    for _ in range(2):
        observe(full=True)
    vm.refresh_from_db()
    assert (vm.lacks_server, used(project)) == (True, NOTHING)
    VM.objects.filter(pk=vm.pk).update(server_id=server_id)
    if moving:
        cloud.controls.poke(
            server_id, status=status, task_state="rebuilding", fault="Burnt"
        )
        observe(full=True)
        vm.refresh_from_db()
        assert (vm.lacks_server, used(project)) == (True, NOTHING)
    cloud.controls.poke(server_id, status=status, fault="Burnt")
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.status, vm.lacks_server) == (status, False)
    assert "rebuild" in vm.allowed_actions
    assert used(project) == ONE_SMALL
    if status == "ERROR":
        assert vm.error is not None
        assert "Burnt" in vm.error["detail"]
    else:
        assert vm.error is None
    told = Event.objects.about("vm", vm.pk).latest("sequence")
    assert told.type == "vm.drifted"
    assert told.changes.get("status", ["ERROR"] * 2) == ["ERROR", status]
    ledger.check_quotas()


def test_what_led_into_error_is_shown_until_something_succeeds(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm("ERROR")
    why = vm.error
    cloud.controls.inject("servers.reboot", kind="fail", status=403)
    vms.reboot(vm, type=vms.RebootType.HARD, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert vm.operation is not None
    assert vm.operation.error is not None
    assert vm.operation.error["openstack"]["status"] == 403
    assert (vm.status, vm.error) == ("ERROR", why)
    vms.reboot(vm, type=vms.RebootType.HARD, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)


def test_what_led_a_snapshot_into_error_is_shown_until_it_is_gone(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject(
        "servers.snapshot", kind="fail_async", message="Glance is full"
    )
    snapshots.create(make_vm(), actor=ALICE, name=SNAPSHOT_NAME)
    drain()
    snapshot = Snapshot.objects.get()
    why = snapshot.error
    assert why is not None
    for call in ("images.list_snapshots", "images.delete"):
        cloud.controls.inject(call, kind="fail", status=403)
    snapshots.delete(snapshot, actor=ALICE)
    drain()
    snapshot.refresh_from_db()
    assert (snapshot.status, snapshot.error) == ("ERROR", why)
    cloud.controls.clear_faults()
    snapshots.delete(snapshot, actor=ALICE)
    drain()
    snapshot.refresh_from_db()
    assert (snapshot.status, snapshot.error) == ("DELETED", None)
