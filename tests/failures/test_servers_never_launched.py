"""A VM whose server was never launched offers a delete, which is all that Nova permits."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from compute.engine import runner
from compute.errors import InvalidTransition
from compute.models import VM, Event, Operation, Project
from compute.services import vms
from compute.services.vms import imports
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, observe
from tests.failures.test_vms_without_a_server import NEED_A_SERVER, NOTHING, used
from tests.services.conftest import ask_for_vm
from tests.support import invariants as ledger
from tests.support.api import Api, problem
from tests.support.console import Operator
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]

CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"
NO_HOST = "No valid host was found. There are not enough hosts available."


def build_in_vain(project: Project, cloud: MockCloud, drain: Drain) -> VM:
    """Return a VM whose create was accepted and then found no host."""
    cloud.controls.inject("servers.create", kind="build_error", message=NO_HOST)
    vm = ask_for_vm(project)
    drain()
    vm.refresh_from_db()
    return vm


def adopt(project: Project, cloud: MockCloud, *, status: str) -> VM:
    """Return the VM of a server made elsewhere that was never launched."""
    facts = {"status": status, "fault": NO_HOST, "launched": False}
    (server_id,) = cloud.controls.seed([SeedServer("old", "2", CIRROS, **facts)])  # type: ignore[arg-type]  # fields of SeedServer
    list(imports.import_servers("default", project))
    vm: VM = VM.objects.get(server_id=server_id)
    return vm


def forget(vm: VM) -> None:
    """Leave a VM as one that was there before its server's launch was asked about."""
    VM.objects.filter(pk=vm.pk).update(never_launched=False)


@pytest.fixture(params=["built", "imported", "upgraded"])
def unlaunched(
    request: pytest.FixtureRequest,
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
) -> VM:
    match request.param:
        case "built":
            vm = build_in_vain(project, cloud, drain)
        case "imported":
            vm = adopt(project, cloud, status="ERROR")
        case "upgraded":
            vm = build_in_vain(project, cloud, drain)
            forget(vm)
            observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "ERROR"
    assert vm.error is not None
    assert NO_HOST in vm.error["detail"]
    return vm


def test_only_a_delete_is_offered_by_every_door(
    unlaunched: VM, api: Api, operator: Operator
) -> None:
    assert unlaunched.allowed_actions == ("delete",)
    assert api.get(f"/vms/{unlaunched.pk}").json()["allowed_actions"] == ["delete"]
    (row,) = api.get("/vms").json()["results"]
    assert row["allowed_actions"] == ["delete"]
    page = operator.get(f"compute/vm/{unlaunched.pk}/change/")
    assert "/actions/" not in page
    assert "Delete…" in page
    assert "Its server was never launched" in page
    assert "It has no server in the cloud" not in page


@pytest.mark.parametrize("name", NEED_A_SERVER)
def test_what_nova_would_refuse_is_refused_and_hides_no_cause(
    unlaunched: VM, cloud: MockCloud, name: str
) -> None:
    why, count = unlaunched.error, Operation.objects.count()
    cloud.controls.reset_counts()
    with pytest.raises(InvalidTransition) as caught:
        VERBS[name](unlaunched)
    assert "was never launched" in caught.value.detail
    assert caught.value.members == {"vm_status": "ERROR", "allowed_actions": ["delete"]}
    unlaunched.refresh_from_db()
    assert (unlaunched.status, unlaunched.error) == ("ERROR", why)
    assert Operation.objects.count() == count
    assert cloud.controls.call_counts() == {}


def test_its_console_is_refused_with_the_reason(unlaunched: VM, api: Api) -> None:
    answer = api.get(f"/vms/{unlaunched.pk}/console-log")
    document = problem(answer, 409, "invalid-transition")
    assert "was never launched" in document["detail"]


def test_it_counts_until_it_is_deleted(
    unlaunched: VM, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    assert not unlaunched.lacks_server
    assert used(project)["vms"] == 1
    vms.delete(unlaunched, actor=ALICE)
    drain()
    unlaunched.refresh_from_db()
    assert (unlaunched.status, unlaunched.error) == ("DELETED", None)
    assert unlaunched.allowed_actions == ()
    assert used(project) == NOTHING
    ledger.check(cloud)


def test_it_counts_no_more_once_it_is_gone(
    unlaunched: VM, project: Project, cloud: MockCloud
) -> None:
    cloud.controls.vanish(unlaunched.server_id)
    for _ in range(2):
        observe(full=True)
    unlaunched.refresh_from_db()
    assert unlaunched.lacks_server
    assert unlaunched.allowed_actions == ("delete",)
    assert used(project) == NOTHING


def test_a_delete_that_fails_hides_no_cause(
    unlaunched: VM, cloud: MockCloud, drain: Drain
) -> None:
    why = unlaunched.error
    cloud.controls.inject("servers.delete", kind="fail", status=403)
    vms.delete(unlaunched, actor=ALICE)
    drain()
    unlaunched.refresh_from_db()
    assert unlaunched.operation is not None
    assert unlaunched.operation.status == "FAILED"
    assert (unlaunched.status, unlaunched.error) == ("ERROR", why)
    assert unlaunched.allowed_actions == ("delete",)


def test_one_that_an_operator_calls_active_is_refused_all_the_same(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    vm = adopt(project, cloud, status="ACTIVE")
    assert (vm.status, vm.allowed_actions) == ("ACTIVE", ("delete",))
    with pytest.raises(InvalidTransition, match="was never launched"):
        vms.act(vm, "stop", actor=ALICE)


def test_one_whose_build_took_too_long_offers_the_rest_once_it_runs(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("servers.create", kind="stuck")
    vm = ask_for_vm(project)
    runner.run(Operation.objects.get().pk)
    Operation.objects.update(deadline=timezone.now())
    runner.sweep()
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.allowed_actions) == ("ERROR", ("delete",))
    assert cloud.servers.get(vm.server_id).status == "BUILD"
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    observe()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("ACTIVE", None)
    assert "reboot" in vm.allowed_actions


@pytest.mark.parametrize("full", [True, False])
def test_one_that_is_launched_after_all_offers_everything(
    unlaunched: VM, cloud: MockCloud, project: Project, full: bool
) -> None:
    cloud.controls.poke(unlaunched.server_id, status="ACTIVE")
    observe(full=full)
    unlaunched.refresh_from_db()
    assert (unlaunched.status, unlaunched.error) == ("ACTIVE", None)
    assert "reboot" in unlaunched.allowed_actions
    cloud.controls.poke(unlaunched.server_id, status="ERROR", fault="Burnt")
    observe(full=full)
    unlaunched.refresh_from_db()
    assert unlaunched.status == "ERROR"
    assert "rebuild" in unlaunched.allowed_actions
    ledger.check_quotas()


def test_a_launched_server_in_error_offers_what_it_did(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm("ERROR")
    for _ in range(2):
        assert set(vm.allowed_actions) == {
            "reboot",
            "rebuild",
            "restore",
            "rescue",
            "set-security-groups",
            "delete",
        }
        version, told = vm.version, Event.objects.count()
        observe(full=True)
        vm.refresh_from_db()
        assert (vm.version, Event.objects.count()) == (version, told)


def test_what_was_there_before_keeps_its_actions_until_a_pass_knows_better(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain, api: Api
) -> None:
    vm = build_in_vain(project, cloud, drain)
    forget(vm)
    before = api.get(f"/vms/{vm.pk}")
    assert "reboot" in before.json()["allowed_actions"]
    for _ in range(2):
        observe(full=True)
    after = api.get(f"/vms/{vm.pk}")
    assert after.json()["allowed_actions"] == ["delete"]
    # A change that a client sees: it has a version, and an event that says it once.
    assert after.json()["version"] == before.json()["version"] + 1
    assert after.headers["ETag"] != before.headers["ETag"]
    assert after.json()["error"] == before.json()["error"]
    event = Event.objects.about("vm", vm.pk).latest("sequence")
    assert (event.type, event.actor) == ("vm.updated", "system")
    assert event.changes == {
        "allowed_actions": [before.json()["allowed_actions"], ["delete"]]
    }
