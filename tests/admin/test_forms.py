"""Forms: create a VM, change what is ours; and what they refuse."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages.storage.fallback import FallbackStorage
from django.http import HttpRequest
from django.test import RequestFactory

from compute.admin.console.forms import LabelsField, LineField
from compute.admin.vms import VMAdmin
from compute.api.http import fields as api
from compute.events import Actor
from compute.models import VM, Event
from compute.services import catalog, vms
from providers.mock import MockCloud
from tests.support.console import OPERATOR, Operator
from tests.support.factories import ProjectFactory, SnapshotFactory, VMFactory


def change(operator: Operator, vm: VM, **fields: Any) -> Any:
    values = {"name": vm.name, "version": vm.version, "labels": "", **fields}
    return operator.client.post(f"/admin/compute/vm/{vm.pk}/change/", values)


def test_what_is_ours_is_changed_by_the_service(operator: Operator) -> None:
    vm = VMFactory.create()
    response = change(
        operator,
        vm,
        name="web-2",
        description="two\r\nlines",
        labels="env=prod\r\n\r\nexample.com/tier=",
        delete_protection="on",
    )
    assert response.status_code == 302
    before = vm.name
    vm.refresh_from_db()
    assert vm.name == "web-2"
    assert vm.description == "two\nlines"
    assert vm.labels == {"env": "prod", "example.com/tier": ""}
    assert vm.delete_protection
    assert vm.version == 2
    event = Event.objects.about("vm", vm.pk).get()
    assert event.actor == OPERATOR
    assert event.changes["name"] == [before, "web-2"]


def test_nothing_else_is_changed(operator: Operator) -> None:
    vm = VMFactory.create()
    change(operator, vm, status="DELETED", cloud="x", server_id="y", project="z")
    vm.refresh_from_db()
    assert (vm.status, vm.cloud, vm.server_id) == ("ACTIVE", "default", "")
    assert not Event.objects.exists()


def test_a_form_that_is_out_of_date_changes_nothing(
    operator: Operator, actor: Actor
) -> None:
    vm = VMFactory.create()
    vms.update(vm, actor=actor, changes={"name": "of-alice"})
    response = change(operator, vm, name="of-olga")
    text = response.content.decode()
    assert "Somebody changed it meanwhile" in text
    assert "of-olga" in text
    vm.refresh_from_db()
    assert vm.name == "of-alice"


class Interrupted(VMAdmin):
    """Somebody changes the VM after the form was checked and before it is saved."""

    def save_model(
        self, request: HttpRequest, obj: VM, form: Any, change: bool
    ) -> None:
        stored = VM.objects.get(pk=obj.pk)
        vms.update(stored, actor=Actor("user:alice"), changes={"name": "of-alice"})
        super().save_model(request, obj, form, change)


def test_who_loses_a_race_is_told(operator: Operator, rf: RequestFactory) -> None:
    vm = VMFactory.create(name="of-nobody")
    request = rf.post("/", {"name": "of-olga", "labels": "", "version": vm.version})
    request.user = operator.user
    request.session = operator.client.session
    storage = FallbackStorage(request)
    request._messages = storage  # type: ignore[attr-defined]  # what its middleware does
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]  # as Client does
    response = Interrupted(VM, admin.site).changeform_view(request, str(vm.pk))
    text = response.render().content.decode()
    assert "Precondition failed" in text
    assert 'value="of-olga"' in text
    vm.refresh_from_db()
    assert vm.name == "of-nobody"  # what interrupted was part of the same transaction


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 256}, "at most 255 characters"),
        ({"name": "a\x07b"}, "Must not contain U+0007 (character 2)."),
        ({"name": "a\x00b"}, "Null characters"),
        ({"name": "web 🦊"}, "Must not contain U+1F98A (character 5)."),
        ({"labels": "env"}, "is not key=value"),
        ({"labels": "-env=a"}, "A key has up to 63 letters"),
        ({"labels": "env=a b"}, "A value has up to 63 letters"),
        ({"labels": "env=a\nenv=b"}, "is listed twice"),
        ({"labels": "\n".join(f"k{n}=v" for n in range(65))}, "At most 64 labels"),
        ({"description": "x" * 4097}, "at most 4096 characters"),
    ],
)
def test_a_form_says_what_it_does_not_take(
    operator: Operator, fields: dict[str, str], reason: str
) -> None:
    vm = VMFactory.create()
    assert reason in change(operator, vm, **fields).content.decode()
    assert not Event.objects.exists()


def test_a_name_with_symbols_is_kept_as_it_is(operator: Operator) -> None:
    vm = VMFactory.create()
    change(operator, vm, name="web ☃ <b>")
    text = operator.get("compute/vm/")
    assert "web ☃ <b>" in text
    vm.refresh_from_db()
    assert vm.name == "web ☃ <b>"


def test_a_deleted_vm_is_not_changed(operator: Operator, onlooker: Operator) -> None:
    vm = VMFactory.create(status="DELETED")
    assert change(operator, vm, name="x").status_code == 302
    assert f"The VM {vm.name} is gone." in operator.get(f"compute/vm/{vm.pk}/change/")
    assert change(onlooker, vm, name="x").status_code == 403
    vm.refresh_from_db()
    assert (vm.name == "x", vm.version) == (False, 1)


def test_who_may_only_look_changes_nothing(onlooker: Operator) -> None:
    assert change(onlooker, VMFactory.create(), name="x").status_code == 403


def test_a_snapshot_is_renamed_by_the_service(operator: Operator) -> None:
    snapshot = SnapshotFactory.create()
    told = operator.post(
        f"compute/snapshot/{snapshot.pk}/change/", name="kept", labels="a=b", version=1
    )
    assert "changed successfully" in told
    event = Event.objects.about("snapshot", snapshot.pk).get()
    assert event.type == "snapshot.updated"
    assert event.actor == OPERATOR


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("env", True),
        ("a.b_c-d", True),
        ("example.com/env", True),
        ("Example.com/env", False),
        ("-env", False),
        ("env/", False),
        ("x" * 63, True),
        ("x" * 64, False),
        ("é", False),
    ],
)
def test_labels_are_those_of_the_api(text: str, valid: bool) -> None:
    def accepts(check: Callable[[], object]) -> bool:
        try:
            check()
        except Exception:
            return False
        return True

    assert accepts(lambda: LabelsField().clean(f"{text}=v")) is valid
    assert accepts(lambda: api.Labels().run_validation({text: "v"})) is valid


@pytest.mark.parametrize("text", ["a b", "é🦊", "a\tb", "a\x7fb", "a\x85b", "x" * 256])
def test_names_are_those_of_the_api(text: str) -> None:
    verdicts = []
    for check in (LineField().clean, api.Line().run_validation):
        try:
            verdicts.append(check(text))
        except Exception:
            verdicts.append(None)
    assert verdicts[0] == verdicts[1]


# A new VM

NEW = {
    "name": "web-9",
    "flavor": "m1.small",
    "image": "ubuntu-22.04",
    "cloud": "default",
    "project": "default",
    "labels": "env=prod",
    "user_data": "#cloud-config",
}


def test_a_vm_is_created_by_the_service(
    operator: Operator,
    catalogue: None,
    cloud: MockCloud,
    drain: Callable[[], None],
) -> None:
    text = operator.get("compute/vm/add/")
    assert '<option value="m1.small">' in text
    assert "<option value=" in text
    assert "Creation of web-9 is under way" in operator.post("compute/vm/add/", **NEW)
    drain()
    vm = VM.objects.get()
    assert (vm.status, vm.name, vm.labels) == ("ACTIVE", "web-9", {"env": "prod"})
    assert cloud.controls.user_data(vm.server_id) == b"#cloud-config"
    event = Event.objects.get(type="vm.created")
    assert event.actor == OPERATOR
    assert "#cloud-config" not in operator.get(f"compute/vm/{vm.pk}/change/")


def test_a_vm_is_created_in_a_project_named_by_id(
    operator: Operator, catalogue: None
) -> None:
    project = ProjectFactory.create()
    operator.post("compute/vm/add/", **{**NEW, "project": str(project.pk)})
    assert VM.objects.get().project == project


def test_a_vm_goes_to_the_default_cloud_of_its_project_unless_one_is_chosen(
    operator: Operator, catalogue: None, other_cloud: MockCloud
) -> None:
    catalog.refresh("other")
    ProjectFactory.create(name="shop", clouds=["other", "default"])
    page = operator.get("compute/vm/add/")
    assert '<option value="" selected>the default of the project</option>' in page
    for cloud in ("", "default"):
        operator.post("compute/vm/add/", **{**NEW, "project": "shop", "cloud": cloud})
    made = VM.objects.order_by("created_at").values_list("cloud", flat=True)
    assert list(made) == ["other", "default"]


def test_a_cloud_that_is_not_for_the_project_is_told_beside_its_field(
    operator: Operator, catalogue: None, other_cloud: MockCloud
) -> None:
    ProjectFactory.create(name="shop", clouds=["other"])
    answer = operator.client.post(
        "/admin/compute/vm/add/", {**NEW, "project": "shop", "cloud": "default"}
    )
    assert answer.context["form"].errors == {"cloud": ["No cloud default."]}
    assert not VM.objects.exists()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "This field is required"),
        ({"flavor": "nonesuch"}, "No flavor nonesuch"),
        ({"image": "nonesuch"}, "No image nonesuch"),
        ({"cloud": "nonesuch"}, "Select a valid choice"),
        ({"project": "nonesuch"}, "No project nonesuch"),
        ({"labels": "x"}, "is not key=value"),
        ({"user_data": "é" * 25_000}, "At most 49149 bytes"),
    ],
)
def test_a_create_that_is_refused_keeps_what_was_typed(
    operator: Operator, catalogue: None, fields: dict[str, str], reason: str
) -> None:
    response = operator.client.post("/admin/compute/vm/add/", {**NEW, **fields})
    text = response.content.decode()
    assert reason in text
    assert 'value="web-9"' in text or not fields.get("name", "x")
    assert not VM.objects.exists()


def test_who_may_not_add_gets_403(onlooker: Operator, catalogue: None) -> None:
    onlooker.get("compute/vm/add/", status=403)
    assert onlooker.status_of_post("compute/vm/add/", **NEW) == 403
