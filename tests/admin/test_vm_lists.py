"""List actions: done or refused, and why, for each VM."""

from collections.abc import Callable

import pytest

from compute.admin.console import lists
from compute.models import VM, Event, Operation
from tests.support.console import OPERATOR, Operator
from tests.support.factories import VMFactory

MakeVM = Callable[..., VM]


def act(operator: Operator, action: str, *vms: VM, **more: str) -> str:
    chosen = [str(vm.pk) for vm in vms]
    return operator.post(
        "compute/vm/?deleted=all", action=action, _selected_action=chosen, **more
    )


@pytest.mark.parametrize(
    ("action", "status", "type"),
    [
        ("start_all", "SHUTOFF", "vm.start"),
        ("stop_all", "ACTIVE", "vm.stop"),
        ("reboot_all", "ACTIVE", "vm.reboot"),
    ],
)
def test_a_list_action_answers_for_each_vm(
    operator: Operator, action: str, status: str, type: str
) -> None:
    fit = VMFactory.create_batch(2, status=status)
    paused = VMFactory.create(name="paused-1", status="PAUSED")
    gone = VMFactory.create(name="gone-1", status="DELETED")
    told = act(operator, action, *fit, paused, gone)
    assert "is under way for 2 of the VMs" in told
    assert "was refused for 2 of the VMs" in told
    for vm in fit:
        assert f"{vm.name} : under way" in told
    assert "paused-1 : Action not allowed in this state: Cannot" in told
    assert "gone-1 : Not found: No such VM." in told
    assert set(Operation.objects.values_list("type", "requested_by", "target_id")) == {
        (type, OPERATOR, vm.pk) for vm in fit
    }
    assert set(Event.objects.values_list("actor", flat=True)) == {OPERATOR}


def test_delete_asks_again_and_then_answers_for_each_vm(operator: Operator) -> None:
    free = VMFactory.create(name="free-1")
    safe = VMFactory.create(name="safe-1", delete_protection=True)
    chosen = [str(free.pk), str(safe.pk)]
    response = operator.client.post(
        "/admin/compute/vm/", {"action": "delete_all", "_selected_action": chosen}
    )
    text = response.content.decode()
    assert "Delete 2 VMs?" in text
    assert "free-1" in text
    assert not Operation.objects.exists()
    told = act(operator, "delete_all", free, safe, confirmed="yes")
    assert "free-1 : under way" in told
    assert "safe-1 : Protected from deletion: Turn delete_protection off" in told
    assert Operation.objects.get().target_id == free.pk


def test_too_many_at_once_are_refused(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_SELECTED", 1)
    two = VMFactory.create_batch(2)
    for action in ("stop_all", "delete_all"):
        assert "select at most 1 VMs at once" in act(operator, action, *two)
    assert not Operation.objects.exists()


def test_who_may_only_look_has_no_list_actions(onlooker: Operator) -> None:
    vm = VMFactory.create()
    assert "stop_all" not in onlooker.get("compute/vm/")
    chosen = {"_selected_action": str(vm.pk), "confirmed": "yes"}
    for action in ("stop_all", "delete_all"):
        assert onlooker.status_of_post("compute/vm/", action=action, **chosen) == 403
    act(onlooker, "delete_selected", vm, confirmed="yes")
    assert not Operation.objects.exists()
    assert VM.objects.filter(pk=vm.pk, deleted_at=None).exists()
