"""The page of a VM: what is under way, what went wrong, what happened."""

from collections.abc import Callable

from compute.events import Actor
from compute.models import VM, Event, Operation
from compute.services import vms
from tests.support.console import OPERATOR, Operator, page, permission, press, staff
from tests.support.factories import VMFactory

MakeVM = Callable[..., VM]
Drain = Callable[[], None]


def test_what_is_under_way_can_be_cancelled(
    operator: Operator, make_vm: MakeVM
) -> None:
    vm = make_vm()
    press(operator, vm, "stop")
    operation = Operation.objects.live().get()
    text = page(operator, vm)
    assert "Under way" in text
    assert "Cancel it" in text
    told = operator.post(
        f"compute/operation/{operation.pk}/actions/cancel/",
        next=f"/admin/compute/vm/{vm.pk}/change/",
    )
    assert "vm.stop is cancelled" in told
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    cancelled = Event.objects.get(operation=operation, type="operation.updated")
    assert cancelled.actor == OPERATOR
    told = operator.post(f"compute/operation/{operation.pk}/actions/cancel/")
    assert "cannot be cancelled" in told


def test_what_cannot_be_cancelled_has_no_button(operator: Operator) -> None:
    vm = VMFactory.create(status="STOPPING")
    operation = Operation.objects.create(
        type="vm.stop",
        status="RUNNING",
        project=vm.project,
        target_kind="vm",
        target_id=vm.pk,
        deadline=vm.created_at,
        step="powering-off",
    )
    VM.objects.filter(pk=vm.pk).update(operation=operation)
    for text in (
        page(operator, vm),
        operator.get(f"compute/operation/{operation.pk}/change/"),
    ):
        assert "powering-off" in text
        assert "Cancel it" not in text


def test_a_cancel_leads_back_to_us_alone(operator: Operator, make_vm: MakeVM) -> None:
    press(operator, make_vm(), "stop")
    operation = Operation.objects.live().get()
    path = f"/admin/compute/operation/{operation.pk}"
    response = operator.client.post(
        f"{path}/actions/cancel/", {"next": "//evil.example/"}
    )
    assert response.headers["Location"] == f"{path}/change/"
    assert operator.client.get(f"{path}/actions/cancel/").status_code == 405


def test_who_may_only_look_cannot_cancel(
    onlooker: Operator, make_vm: MakeVM, actor: Actor
) -> None:
    vm = vms.act(make_vm(), "stop", actor=actor)
    assert "Cancel it" not in page(onlooker, vm)
    path = f"compute/operation/{vm.operation_id}/actions/cancel/"
    assert onlooker.status_of_post(path) == 403


def test_an_error_is_readable(operator: Operator) -> None:
    vm = VMFactory.create(
        status="ERROR",
        error={
            "title": "The cloud refused or failed",
            "code": "openstack-error",
            "detail": "No valid host was found.",
            "openstack": {
                "service": "nova",
                "status": 500,
                "message": "No valid host",
                "request_id": "req-1",
            },
        },
    )
    text = page(operator, vm)
    assert "No valid host was found." in text
    assert "nova, HTTP 500" in text
    assert 'href="/problems/openstack-error"' in text


def test_a_page_tells_what_happened(
    operator: Operator, make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    press(operator, vm, "stop")
    drain()
    text = page(operator, vm)
    assert "status: ACTIVE → STOPPING" in text
    assert "vm.created" in text
    assert "user:alice" in text
    assert OPERATOR in text
    assert "vm.stop" in text
    assert "SUCCEEDED" in text


def test_the_timeline_needs_the_permission_to_see_events(make_vm: MakeVM) -> None:
    looker = staff("lea", permission("view_vm"))
    assert "Timeline" not in page(looker, make_vm())
