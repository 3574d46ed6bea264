from collections.abc import Callable

import pytest

from compute.bodies.snapshots import SNAPSHOT_BODY
from compute.models import VM
from tests.support.api import Api, errors, problem
from tests.support.factories import SnapshotFactory, VMFactory

Drain = Callable[[], None]


def test_a_snapshot_is_taken_shown_and_deleted(
    api: Api, make_vm: Callable[..., VM], drain: Drain
) -> None:
    vm = make_vm()
    response = api.post(
        f"/vms/{vm.pk}/snapshots", {"name": "before ☃", "labels": {"a": "b"}}
    )
    created = response.json()
    assert response.status_code == 202
    assert (created["status"], created["vm"]) == ("CREATING", str(vm.pk))
    path = f"/snapshots/{created['id']}"
    assert response.headers["Location"] == f"http://testserver/api/v1{path}"
    drain()
    shown = api.get(path).json()
    assert shown["status"] == "AVAILABLE"
    assert shown["name"] == "before ☃"
    assert shown["size_gb"] >= 1
    assert api.get(f"/images/{shown['image']}").status_code == 200

    response = api.delete(path)
    assert response.status_code == 202
    assert response.json()["status"] == "DELETING"
    drain()
    problem(api.get(path), 404, "not-found")
    assert api.get(f"{path}?include_deleted=true").json()["status"] == "DELETED"


def test_a_vm_can_be_created_from_a_snapshot(
    api: Api, make_vm: Callable[..., VM], drain: Drain
) -> None:
    vm = make_vm()
    snapshot = api.post(f"/vms/{vm.pk}/snapshots", {"name": "golden"}).json()
    drain()
    image = api.get(f"/snapshots/{snapshot['id']}").json()["image"]
    response = api.post("/vms", {"name": "copy", "flavor": "m1.small", "image": image})
    assert response.status_code == 202
    assert response.json()["image"] == image


def test_a_snapshot_occupies_its_vm(api: Api, make_vm: Callable[..., VM]) -> None:
    vm = make_vm()
    snapshot = api.post(f"/vms/{vm.pk}/snapshots", {"name": "one"}).json()
    shown = api.get(f"/vms/{vm.pk}").json()
    assert (shown["status"], shown["allowed_actions"]) == ("ACTIVE", [])
    again = api.post(f"/vms/{vm.pk}/snapshots", {"name": "two"})
    document = problem(again, 409, "operation-in-progress")
    assert document["operation_id"] == snapshot["operation_id"]


def test_lists_of_one_vm_and_of_all(api: Api) -> None:
    vm, other = VMFactory.create_batch(2)
    SnapshotFactory.create(vm=vm, name="mine")
    SnapshotFactory.create(vm=other, name="theirs")
    SnapshotFactory.create(vm=vm, name="gone", status="DELETED")
    assert api.names(f"/vms/{vm.pk}/snapshots") == ["mine"]
    assert set(api.names("/snapshots")) == {"mine", "theirs"}
    assert api.names(f"/snapshots?vm={other.pk}") == ["theirs"]
    assert set(api.names(f"/vms/{vm.pk}/snapshots?include_deleted=true")) == {
        "mine",
        "gone",
    }


def test_the_body_shows_exactly_the_fields_of_the_schema(api: Api) -> None:
    snapshot = SnapshotFactory.create(size_bytes=1)
    shown = api.get(f"/snapshots/{snapshot.pk}").json()
    assert list(shown) == [field.name for field in SNAPSHOT_BODY.fields]
    assert shown["size_gb"] == 1


def test_a_patch_changes_name_and_labels(api: Api) -> None:
    snapshot = SnapshotFactory.create()
    response = api.patch(
        f"/snapshots/{snapshot.pk}", {"name": "new", "labels": {"a": "b"}}
    )
    assert response.status_code == 200
    assert (response.json()["name"], response.json()["labels"]) == ("new", {"a": "b"})
    refused = api.patch(f"/snapshots/{snapshot.pk}", {"vm": "x"})
    assert errors(refused) == [("#/vm", "unknown")]


@pytest.mark.parametrize("status", ["SHELVED_OFFLOADED", "ERROR", "RESCUE"])
def test_no_snapshot_is_taken_in_the_wrong_status(api: Api, status: str) -> None:
    vm = VMFactory.create(status=status)
    response = api.post(f"/vms/{vm.pk}/snapshots", {"name": "x"})
    assert problem(response, 409, "invalid-transition")["vm_status"] == status


def test_a_snapshot_that_is_being_made_is_not_deleted(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    snapshot = api.post(f"/vms/{vm.pk}/snapshots", {"name": "one"}).json()
    response = api.delete(f"/snapshots/{snapshot['id']}")
    problem(response, 409, "operation-in-progress")


def test_there_are_no_snapshots_of_no_vm(api: Api) -> None:
    nobody = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    gone = VMFactory.create(status="DELETED")
    for id in (nobody, gone.pk):
        problem(api.get(f"/vms/{id}/snapshots"), 404, "not-found")
        response = api.post(f"/vms/{id}/snapshots", {"name": "x"})
        problem(response, 404, "not-found")
    problem(api.get(f"/snapshots/{nobody}"), 404, "not-found")
    problem(api.delete(f"/snapshots/{nobody}"), 404, "not-found")
    problem(api.patch(f"/snapshots/{nobody}", {}), 404, "not-found")
