"""The page of a VM: what it offers, what each button does, and who may press it."""

from collections.abc import Callable

import pytest
from django.test import Client

from compute.events import Actor
from compute.models import VM, Event, Operation, Snapshot, VMStatus
from compute.models.vm import ACTIONS
from compute.services import snapshots
from compute.services.actions import VM_ACTIONS
from tests.support.console import OPERATOR, Operator, page, permission, press, staff
from tests.support.factories import VMFactory

MakeVM = Callable[..., VM]
Drain = Callable[[], None]


def offered(text: str) -> set[str]:
    """Return the actions that a page has a form for."""
    return {name for name in VM_ACTIONS if f"/actions/{name}/" in text}


def test_every_action_of_the_lifecycle_has_a_button() -> None:
    named = {name for names in ACTIONS.values() for name in names}
    assert named == set(VM_ACTIONS)


@pytest.mark.parametrize("status", [s for s in VMStatus if s != VMStatus.DELETED])
def test_a_page_offers_what_is_allowed(operator: Operator, status: VMStatus) -> None:
    vm = VMFactory.create(status=status)
    text = page(operator, vm)
    assert offered(text) == set(vm.allowed_actions) - {"delete"}
    assert ("Delete…" in text) == ("delete" in vm.allowed_actions)


def test_a_deleted_vm_offers_nothing(operator: Operator) -> None:
    text = page(operator, VMFactory.create(status="DELETED"))
    assert not offered(text)
    assert "Deleted. It is kept for its history." in text
    assert 'name="_save"' not in text


@pytest.mark.parametrize(
    ("status", "action", "values", "end"),
    [
        ("SHUTOFF", "start", {}, "ACTIVE"),
        ("ACTIVE", "stop", {}, "SHUTOFF"),
        ("ACTIVE", "reboot", {"type": "SOFT"}, "ACTIVE"),
        ("PAUSED", "reboot", {"type": "HARD"}, "ACTIVE"),
        ("ACTIVE", "resize", {"flavor": "m1.large"}, "ACTIVE"),
        ("SHUTOFF", "rebuild", {"image": "debian-12"}, "SHUTOFF"),
        ("ACTIVE", "pause", {}, "PAUSED"),
        ("PAUSED", "unpause", {}, "ACTIVE"),
        ("ACTIVE", "suspend", {}, "SUSPENDED"),
        ("SUSPENDED", "resume", {}, "ACTIVE"),
        ("ACTIVE", "shelve", {}, "SHELVED_OFFLOADED"),
        ("SHELVED_OFFLOADED", "unshelve", {}, "ACTIVE"),
        ("ACTIVE", "rescue", {}, "RESCUE"),
        ("RESCUE", "unrescue", {}, "ACTIVE"),
        ("ACTIVE", "snapshot", {"name": "before"}, "ACTIVE"),
    ],
)
def test_a_button_does_its_action_and_names_the_operator(
    operator: Operator,
    make_vm: MakeVM,
    drain: Drain,
    status: str,
    action: str,
    values: dict[str, str],
    end: str,
) -> None:
    vm = make_vm(status)
    assert "is under way" in press(operator, vm, action, **values)
    operation = Operation.objects.live().get()
    assert operation.requested_by == OPERATOR
    assert operation.request_id.startswith("req-")
    events = Event.objects.filter(operation=operation)
    assert {(event.actor, event.request_id) for event in events} == {
        (OPERATOR, operation.request_id)
    }
    drain()
    operation.refresh_from_db()
    assert operation.status == "SUCCEEDED", operation.error
    vm.refresh_from_db()
    assert vm.status == end


def test_a_vm_goes_back_to_its_snapshot(
    operator: Operator, make_vm: MakeVM, drain: Drain, actor: Actor
) -> None:
    vm = make_vm()
    assert "no snapshot to restore" in page(operator, vm)
    snapshot = snapshots.create(vm, actor=actor, name="before")
    drain()
    assert f'<option value="{snapshot.pk}">before' in page(operator, vm)
    told = press(operator, vm, "restore", snapshot=str(snapshot.pk))
    assert "Restore of web-server-01 is under way" in told
    assert Operation.objects.live().get().requested_by == OPERATOR


def test_a_reboot_offers_what_the_status_allows(operator: Operator) -> None:
    running = page(operator, VMFactory.create(status="ACTIVE"))
    broken = page(operator, VMFactory.create(status="ERROR", server_id="one"))
    assert 'value="SOFT"' in running
    assert 'value="SOFT"' not in broken
    assert 'value="HARD"' in broken


def test_suggestions_are_those_that_fit(operator: Operator, make_vm: MakeVM) -> None:
    text = page(operator, make_vm())
    assert '<option value="m1.large">' in text
    assert '<option value="m1.small">' not in text  # it has that one
    assert '<option value="m1.tiny">' not in text  # a disk cannot shrink
    assert '<option value="debian-12">' in text


@pytest.mark.parametrize(
    ("action", "values", "reason"),
    [
        ("start", {}, "Cannot start a VM that is ACTIVE"),
        ("resize", {"flavor": "m1.small"}, "already has flavor m1.small"),
        ("resize", {"flavor": "nonesuch"}, "No flavor nonesuch"),
        ("resize", {}, "Flavor: This field is required"),
        ("rebuild", {"image": "nonesuch"}, "No image nonesuch"),
        ("restore", {"snapshot": "nonesuch"}, "no available snapshot nonesuch"),
        ("restore", {}, "Snapshot: This field is required"),
        ("reboot", {"type": "GENTLE"}, "Type: Select a valid choice"),
        ("snapshot", {"name": "a\x00b"}, "Name: Must not contain control characters."),
    ],
)
def test_a_refusal_says_why(
    operator: Operator,
    make_vm: MakeVM,
    action: str,
    values: dict[str, str],
    reason: str,
) -> None:
    vm = make_vm()
    assert reason in press(operator, vm, action, **values)
    assert not Operation.objects.live().exists()


def test_a_second_action_is_refused_while_one_lives(
    operator: Operator, make_vm: MakeVM
) -> None:
    vm = make_vm()
    press(operator, vm, "stop")
    assert "Another operation is in progress" in press(operator, vm, "pause")


def test_an_unknown_action_is_not_found(operator: Operator) -> None:
    vm = VMFactory.create()
    assert operator.status_of_post(f"compute/vm/{vm.pk}/actions/explode/") == 404


def test_a_button_is_not_a_link(operator: Operator) -> None:
    vm = VMFactory.create()
    operator.get(f"compute/vm/{vm.pk}/actions/stop/", status=405)


def test_an_action_on_nothing_says_so(operator: Operator) -> None:
    told = operator.post(
        "compute/vm/00000000-0000-4000-8000-000000000000/actions/stop/"
    )
    assert "There is no VM" in told


def test_a_button_needs_the_token_of_the_page(operator: Operator) -> None:
    vm = VMFactory.create()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator.user)
    assert client.post(f"/admin/compute/vm/{vm.pk}/actions/stop/").status_code == 403


@pytest.mark.parametrize("action", sorted(VM_ACTIONS))
def test_who_may_only_look_gets_no_button_and_403(
    onlooker: Operator, action: str
) -> None:
    vm = VMFactory.create()
    text = page(onlooker, vm)
    assert not offered(text)
    assert "Delete…" not in text
    path = f"compute/vm/{vm.pk}/actions/{action}/"
    assert onlooker.status_of_post(path, name="x") == 403
    assert not Operation.objects.exists()


def test_each_permission_brings_its_own_buttons(make_vm: MakeVM) -> None:
    vm = make_vm()
    changer = staff("carl", permission("view_vm"), permission("change_vm"))
    text = page(changer, vm)
    assert "rebuild" in offered(text)
    assert not {"stop", "snapshot"} & offered(text)
    assert "Delete…" not in text
    helper = staff("hugo", permission("view_vm"), permission("operate_vm"))
    assert offered(page(helper, vm)) == {"stop", "reboot", "pause", "suspend"}
    keeper = staff("kim", permission("view_vm"), permission("add_snapshot"))
    assert offered(page(keeper, vm)) == {"snapshot"}
    remover = staff("rita", permission("view_vm"), permission("delete_vm"))
    assert "Delete…" in page(remover, vm)


# Delete


def test_delete_asks_again_and_keeps_the_row(
    operator: Operator, make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm()
    path = f"compute/vm/{vm.pk}/delete/"
    text = operator.get(path)
    assert "Delete this VM?" in text
    assert str(vm.pk) in text
    assert not Operation.objects.live().exists()
    assert "Delete of web-server-01 is under way" in operator.post(path)
    drain()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert (
        Event.objects.about("vm", vm.pk)
        .filter(actor=OPERATOR, type="vm.updated")
        .exists()
    )
    operator.get(path, status=302)
    assert "The VM web-server-01 is gone." in operator.post(path)


def test_a_protected_vm_is_not_deleted(operator: Operator, make_vm: MakeVM) -> None:
    vm = make_vm(delete_protection=True)
    text = page(operator, vm)
    assert "Protected from deletion" in text
    assert "Delete…" not in text
    told = operator.post(f"compute/vm/{vm.pk}/delete/")
    assert "Turn delete_protection off first" in told


def test_who_may_not_delete_gets_403(onlooker: Operator, make_vm: MakeVM) -> None:
    vm = make_vm()
    assert onlooker.status_of_post(f"compute/vm/{vm.pk}/delete/") == 403
    onlooker.get("compute/vm/nonsense/delete/", status=403)


def test_a_delete_of_nothing_says_so(operator: Operator) -> None:
    assert "There is no VM" in operator.post("compute/vm/nonsense/delete/")


# Snapshots


@pytest.fixture
def snapshot(make_vm: MakeVM, drain: Drain, actor: Actor) -> Snapshot:
    made = snapshots.create(make_vm(), actor=actor, name="before")
    drain()
    made.refresh_from_db()
    return made


def test_a_snapshot_is_restored_from_its_page(
    operator: Operator, snapshot: Snapshot
) -> None:
    path = f"compute/snapshot/{snapshot.pk}"
    assert "Restore…" in operator.get(f"{path}/change/")
    assert "Restore of web-server-01 is under way" in operator.post(
        f"{path}/actions/restore/"
    )
    assert Operation.objects.live().get().requested_by == OPERATOR
    assert "Restore…" not in operator.get(f"{path}/change/")
    assert "Another operation" in operator.post(f"{path}/actions/restore/")
    operator.get(f"{path}/actions/restore/", status=405)


def test_a_restore_from_nothing_says_so(operator: Operator) -> None:
    path = "compute/snapshot/00000000-0000-4000-8000-000000000000/actions/restore/"
    assert "There is no snapshot" in operator.post(path)


def test_a_snapshot_is_deleted_by_the_service(
    operator: Operator, snapshot: Snapshot, drain: Drain
) -> None:
    path = f"compute/snapshot/{snapshot.pk}/delete/"
    assert "Delete this snapshot?" in operator.get(path)
    assert "Delete of before is under way" in operator.post(path)
    drain()
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    events = Event.objects.about("snapshot", snapshot.pk).filter(actor=OPERATOR)
    assert events.get().changes == {"status": ["AVAILABLE", "DELETING"]}


def test_who_may_only_look_cannot_touch_snapshots(
    onlooker: Operator, snapshot: Snapshot
) -> None:
    path = f"compute/snapshot/{snapshot.pk}"
    text = onlooker.get(f"{path}/change/")
    assert "Restore…" not in text
    assert "Delete…" not in text
    assert onlooker.status_of_post(f"{path}/actions/restore/") == 403
    assert onlooker.status_of_post(f"{path}/delete/") == 403
