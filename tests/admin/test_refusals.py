"""Who may not, or cannot now: no button, 403, and an event of every attempt."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from compute.events import Actor
from compute.models import VM, Event, Operation, Project, Quota
from compute.permissions import PERMISSIONS
from compute.services import vms
from compute.services.actions import VM_ACTIONS
from tests.support.console import (
    OPERATOR,
    Operator,
    confirm,
    permission,
    preview,
    staff,
)
from tests.support.factories import ProjectFactory, SnapshotFactory, VMFactory

MakeVM = Callable[..., VM]


def everything_but(*codenames: str) -> Operator:
    """Staff with every permission of ours but these."""
    ours = Permission.objects.filter(content_type__app_label="compute")
    return staff("emma", *ours.exclude(codename__in=codenames))


def refusals() -> list[Event]:
    return list(Event.objects.filter(type="request.refused").order_by("created_at"))


def only_refusal() -> Event:
    (event,) = refusals()
    return event


# Permissions


@pytest.mark.parametrize("action", sorted(VM_ACTIONS))
def test_an_action_takes_the_permission_of_the_table(db: None, action: str) -> None:
    codename = PERMISSIONS[VM_ACTIONS[action].name].codename
    busy = VMFactory.create(status="DELETED")  # so that who may is refused with a 409
    path = f"compute/vm/{busy.pk}/actions/{action}/"
    values = {"name": "x", "flavor": "x", "image": "x", "snapshot": "x", "type": "SOFT"}
    assert everything_but(codename).status_of_post(path, **values) == 403
    granted = staff("greta", permission("view_vm"), permission(codename))
    assert granted.status_of_post(path, **values) == 302
    assert not Operation.objects.exists()


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"])
def test_a_button_is_there_for_who_may_press_it(db: None, status: str) -> None:
    vm = VMFactory.create(status=status)
    for number, name in enumerate(vm.allowed_actions):
        codename = PERMISSIONS[VM_ACTIONS[name].name].codename
        button = "Delete…" if name == "delete" else f"/actions/{name}/"
        granted = staff(f"g{number}", permission("view_vm"), permission(codename))
        others = Permission.objects.exclude(codename=codename)
        page = f"compute/vm/{vm.pk}/change/"
        assert button in granted.get(page)
        assert button not in staff(f"o{number}", *others).get(page)


@pytest.mark.parametrize("name", ["start_all", "stop_all", "reboot_all", "delete_all"])
def test_a_list_action_takes_the_same_permission(db: None, name: str) -> None:
    vm = VMFactory.create()
    action = name.removesuffix("_all")
    emma = everything_but(PERMISSIONS[VM_ACTIONS[action].name].codename)
    assert f'value="{name}"' not in emma.get("compute/vm/")
    values = {"action": name, "_selected_action": str(vm.pk), "confirmed": "yes"}
    assert emma.status_of_post("compute/vm/", **values) == 403
    assert not Operation.objects.exists()
    assert only_refusal().details["path"] == "/admin/compute/vm/"


# Events


def test_a_forbidden_page_leaves_an_event(onlooker: Operator) -> None:
    vm = VMFactory.create(project=ProjectFactory.create())
    response = onlooker.client.post(
        f"/admin/compute/vm/{vm.pk}/actions/stop/", REMOTE_ADDR="192.0.2.7"
    )
    assert response.status_code == 403
    text = response.content.decode()
    assert "You may not do this" in text
    assert "vm.stop requires the permission compute.operate_vm." in text
    event = only_refusal()
    assert (event.outcome, event.actor) == ("REFUSED", "user:ivan")
    assert (event.project_id, event.subject_id) == (vm.project_id, vm.pk)
    assert event.address == "192.0.2.7"
    assert event.request_id == response.headers["X-Request-ID"]
    assert event.details["code"] == "permission-denied"
    assert event.details["method"] == "POST"
    assert event.details["path"] == f"/admin/compute/vm/{vm.pk}/actions/stop/"


def test_a_program_that_is_forbidden_a_page_reads_a_problem(onlooker: Operator) -> None:
    vm = VMFactory.create()
    response = onlooker.client.post(
        f"/admin/compute/vm/{vm.pk}/actions/stop/", headers={"Accept": "*/*"}
    )
    assert response.status_code == 403
    assert response.headers["Content-Type"] == "application/problem+json"


def test_a_refusal_is_about_the_row_of_its_page(
    onlooker: Operator, make_vm: MakeVM, actor: Actor
) -> None:
    snapshot = SnapshotFactory.create()
    vms.act(make_vm(), "stop", actor=actor)
    operation = Operation.objects.live().get()
    project = ProjectFactory.create()
    for path, project_id, about in (
        (
            f"snapshot/{snapshot.pk}/actions/restore/",
            snapshot.project_id,
            snapshot.pk,
        ),
        (
            f"operation/{operation.pk}/actions/cancel/",
            operation.project_id,
            operation.pk,
        ),
        (f"project/{project.pk}/change/", project.pk, project.pk),
        ("vm/nonsense/delete/", None, None),
        ("vm/add/", None, None),
        ("event/add/", None, None),
    ):
        assert onlooker.status_of_post(f"compute/{path}") == 403
        event = refusals()[-1]
        assert (event.project_id, event.subject_id) == (project_id, about), path


def test_what_is_not_possible_now_leaves_an_event(operator: Operator) -> None:
    vm = VMFactory.create(status="PAUSED")
    told = operator.post(f"compute/vm/{vm.pk}/actions/stop/")
    assert "Action not allowed in this state" in told
    event = only_refusal()
    assert (event.actor, event.subject_id, event.project_id) == (
        OPERATOR,
        vm.pk,
        vm.project_id,
    )
    assert event.details["code"] == "invalid-transition"
    assert event.address == "127.0.0.1"


def test_each_vm_that_a_list_action_cannot_take_leaves_an_event(
    operator: Operator,
) -> None:
    paused = VMFactory.create_batch(2)
    page = preview(operator, "stop", *paused)
    VM.objects.update(status="PAUSED", version=2)
    confirm(operator, page)
    assert {event.subject_id for event in refusals()} == {vm.pk for vm in paused}


def test_an_operation_that_cannot_be_cancelled_leaves_an_event(
    operator: Operator, make_vm: MakeVM
) -> None:
    vm = make_vm()
    operator.post(f"compute/operation/{vm.operation_id}/actions/cancel/")
    event = only_refusal()
    assert event.details["code"] == "not-cancellable"
    assert (event.subject_id, event.related_id) == (vm.operation_id, vm.pk)
    assert event.project_id == vm.project_id


def test_a_vm_beyond_the_quota_leaves_an_event(
    operator: Operator, catalogue: None, project: Project
) -> None:
    Quota.objects.filter(project=project, resource="vms").update(limit=0)
    new: dict[str, Any] = {
        "name": "web-9",
        "flavor": "m1.small",
        "image": "ubuntu-22.04",
        "cloud": "default",
        "project": "default",
    }
    response = operator.client.post("/admin/compute/vm/add/", new)
    assert "quota of vms is 0" in response.content.decode()
    event = only_refusal()
    assert event.details["code"] == "resource-limit-exceeded"
    assert event.project_id == project.pk


def test_what_does_not_exist_is_no_matter_for_the_audit(operator: Operator) -> None:
    operator.post("compute/vm/nonsense/delete/")
    assert not refusals()


def test_a_form_from_elsewhere_leaves_an_event(operator: Operator) -> None:
    vm = VMFactory.create()
    client = Client(enforce_csrf_checks=True)
    path = f"/admin/compute/vm/{vm.pk}/actions/stop/"
    assert client.post(path).status_code == 403
    assert not refusals()  # nobody's
    client.force_login(operator.user)
    assert client.post(path).status_code == 403
    event = only_refusal()
    assert (event.actor, event.subject_id) == (OPERATOR, vm.pk)
