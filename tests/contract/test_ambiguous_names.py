"""A name that two things have is refused, and never one of them taken in silence."""

import re
from collections.abc import Callable

import pytest

from compute.errors import ValidationError
from compute.models import VM, Image, Operation, Project, Snapshot, User
from compute.services import vms
from tests.conftest import ALICE
from tests.support.api import Api, errors, problem
from tests.support.console import Operator
from tests.support.factories import FlavorFactory, ImageFactory, SnapshotFactory

MakeVM = Callable[..., VM]


def _snapshot(vm: VM, name: str, status: str = "AVAILABLE") -> Snapshot:
    row: Snapshot = SnapshotFactory.create(
        vm=vm, name=name, status=status, image_provider_id="image"
    )
    return row


def test_a_restore_by_a_name_of_two_wipes_nothing(api: Api, make_vm: MakeVM) -> None:
    vm = make_vm()
    old, new = _snapshot(vm, "before"), _snapshot(vm, "before")
    operations = Operation.objects.count()
    path = f"/vms/{vm.pk}/actions/restore"
    answer = api.post(path, {"snapshot": "before"})
    assert errors(answer) == [("#/snapshot", "ambiguous")]
    assert (
        answer.json()["detail"] == "2 snapshots of this VM have that name; give an id."
    )
    assert Operation.objects.count() == operations
    # By its id the older one is as good as any.
    assert api.post(path, {"snapshot": str(old.pk)}).status_code == 202
    assert Operation.objects.latest("created_at").related_id == old.pk
    assert old != new


@pytest.mark.parametrize("status", ["ERROR", "DELETED", "DELETING", "CREATING"])
def test_what_cannot_be_restored_is_no_second_meaning(
    api: Api, make_vm: MakeVM, status: str
) -> None:
    vm = make_vm()
    _snapshot(vm, "before", status)
    there = _snapshot(vm, "before")
    answer = api.post(f"/vms/{vm.pk}/actions/restore", {"snapshot": "before"})
    assert answer.status_code == 202
    assert Operation.objects.latest("created_at").related_id == there.pk


def test_an_id_is_not_taken_for_the_name_of_another(make_vm: MakeVM) -> None:
    vm = make_vm()
    meant = _snapshot(vm, "before")
    _snapshot(vm, str(meant.pk))
    vms.restore(vm, snapshot=str(meant.pk), actor=ALICE)
    assert Operation.objects.latest("created_at").related_id == meant.pk


@pytest.mark.parametrize("noun", ["flavor", "image"])
def test_flavors_and_images_say_how_many_have_the_name(
    api: Api, catalogue: None, noun: str
) -> None:
    factory = FlavorFactory if noun == "flavor" else ImageFactory
    rows = [factory.create(name="same") for _ in range(3)]
    body = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    answer = api.post("/vms", {**body, noun: "same"})
    assert errors(answer) == [(f"#/{noun}", "ambiguous")]
    assert answer.json()["detail"] == f"3 {noun}s have that name; give an id."
    for reference in (str(rows[1].pk), str(rows[1].pk).upper(), rows[1].provider_id):
        vm = api.post("/vms", {**body, noun: reference}).json()
        assert vm[f"{noun}_id"] == str(rows[1].pk)


def test_an_image_named_as_anothers_id_takes_nobodys_place(
    project: Project, catalogue: None
) -> None:
    meant = Image.objects.get(name="ubuntu-22.04")
    for name in (str(meant.pk), meant.provider_id):
        ImageFactory.create(name=name)
        vm = vms.create(
            project=project, actor=ALICE, name="web", flavor="m1.small", image=name
        )
        assert vm.image == meant


def test_nobody_is_told_that_a_name_exists_when_it_does_not(make_vm: MakeVM) -> None:
    vm = make_vm()
    with pytest.raises(ValidationError) as caught:
        vms.restore(vm, snapshot="nothing", actor=ALICE)
    assert caught.value.members["errors"][0]["code"] == "does_not_exist"


def test_an_operator_can_tell_two_of_a_name_apart(make_vm: MakeVM) -> None:
    vm = make_vm()
    rows = [_snapshot(vm, "before"), _snapshot(vm, "before")]
    rows[0].created_at = rows[0].created_at.replace(year=2025)
    rows[0].save()
    operator = Operator(User.objects.create_superuser("olga", password="x"))
    page = operator.get(f"compute/vm/{vm.pk}/change/")
    choices = dict(re.findall(r'<option value="([-0-9a-f]{36})">([^<]*)<', page))
    assert choices[str(rows[0].pk)].startswith("before, 2025-")
    assert choices[str(rows[0].pk)] != choices[str(rows[1].pk)]


def test_another_vms_snapshot_is_none_of_its_own(api: Api, make_vm: MakeVM) -> None:
    vm, other = make_vm(name="a"), make_vm(name="b")
    _snapshot(other, "before")
    answer = api.post(f"/vms/{vm.pk}/actions/restore", {"snapshot": "before"})
    assert errors(answer) == [("#/snapshot", "does_not_exist")]
    problem(answer, 400, "validation-error")
