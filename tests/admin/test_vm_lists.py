"""List actions: shown first, then done or refused, and why, for each VM."""

import pytest

from compute.admin.console import lists
from compute.models import VM, Event, Operation
from tests.support.console import OPERATOR, Operator, confirm, preview
from tests.support.factories import VMFactory


@pytest.mark.parametrize(
    ("action", "status", "type", "params"),
    [
        ("start", "SHUTOFF", "vm.start", {}),
        ("stop", "ACTIVE", "vm.stop", {}),
        ("reboot", "ACTIVE", "vm.reboot", {"type": "SOFT"}),
        ("reboot_hard", "ERROR", "vm.reboot", {"type": "HARD"}),
        ("pause", "ACTIVE", "vm.pause", {}),
        ("unpause", "PAUSED", "vm.unpause", {}),
        ("suspend", "ACTIVE", "vm.suspend", {}),
        ("resume", "SUSPENDED", "vm.resume", {}),
        ("delete", "ACTIVE", "vm.delete", {}),
    ],
)
def test_a_list_action_does_what_it_showed(
    operator: Operator, action: str, status: str, type: str, params: dict[str, str]
) -> None:
    fit = [VMFactory.create(status=status, server_id=f"s-{n}") for n in range(2)]
    VMFactory.create(name="moving-1", status="STOPPING")
    VMFactory.create(name="gone-1", status="DELETED")
    page = preview(operator, action, *VM.objects.all())
    assert "2 will be asked" in page
    assert "2 would refuse and will be left alone" in page
    assert f"Cannot {type.removeprefix('vm.')} a VM that is STOPPING." in page
    assert "It no longer exists." in page
    assert not Operation.objects.exists()
    assert "2 asked: 2 under way." in confirm(operator, page)
    asked = Operation.objects.values_list("type", "requested_by", "target_id")
    assert set(asked) == {(type, OPERATOR, vm.pk) for vm in fit}
    assert all(operation.params == params for operation in Operation.objects.all())
    assert set(Event.objects.values_list("actor", flat=True)) == {OPERATOR}


def test_delete_says_what_is_lost_and_spares_the_protected(operator: Operator) -> None:
    free = VMFactory.create(name="free-1")
    safe = VMFactory.create(name="safe-1", delete_protection=True)
    page = preview(operator, "delete", free, safe)
    assert "The server and its disk are removed from the cloud for good." in page
    assert "1: Protected from deletion." in page
    assert ">Delete 1 VM</button>" in page
    confirm(operator, page)
    assert Operation.objects.get().target_id == free.pk


def test_too_many_are_said_before_and_cut(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_SELECTED", 2)
    VMFactory.create_batch(3)
    data = {"action": "stop_all", "_selected_action": str(VM.objects.all()[0].pk)}
    response = operator.client.post(
        "/admin/compute/vm/", {**data, "index": "0", "select_across": "1"}
    )
    page = response.content.decode()
    assert "3 are selected" in page
    assert "One batch takes 2: these are the first 2." in page
    assert "2 asked: 2 under way." in confirm(operator, page)
    assert Operation.objects.count() == 2


def test_who_may_only_look_has_no_list_actions(onlooker: Operator) -> None:
    vm = VMFactory.create()
    assert "stop_all" not in onlooker.get("compute/vm/")
    chosen = {"_selected_action": str(vm.pk)}
    for action in ("stop_all", "delete_all"):
        assert onlooker.status_of_post("compute/vm/", action=action, **chosen) == 403
    onlooker.post("compute/vm/", action="delete_selected", post="yes", **chosen)
    for action in ("stop", "delete"):
        assert onlooker.status_of_post(f"compute/vm/bulk/{action}/") == 403
        onlooker.get(f"compute/vm/bulk/{action}/", status=403)
    assert not Operation.objects.exists()
    assert VM.objects.filter(pk=vm.pk, deleted_at=None).exists()
