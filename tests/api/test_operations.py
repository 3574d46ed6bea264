from collections.abc import Callable

from compute.bodies.operations import OPERATION_BODY
from compute.models import VM
from providers.mock import MockCloud
from tests.support.api import Api, problem

Drain = Callable[[], None]


def test_an_operation_tells_what_was_asked_and_what_became_of_it(
    api: Api, make_vm: Callable[..., VM], drain: Drain
) -> None:
    vm = make_vm()
    operation_id = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    response = api.get(f"/operations/{operation_id}")
    shown = response.json()
    assert list(shown) == [field.name for field in OPERATION_BODY.fields]
    assert (shown["type"], shown["status"]) == ("vm.stop", "PENDING")
    assert shown["target"] == {"type": "vm", "id": str(vm.pk)}
    assert shown["requested_by"] == "user:alice"
    assert shown["cancellable"] is True
    assert response.headers["Retry-After"] == "2"
    drain()
    response = api.get(f"/operations/{operation_id}")
    shown = response.json()
    assert (shown["status"], shown["progress"]) == ("SUCCEEDED", 100)
    assert shown["finished_at"] >= shown["started_at"] >= shown["created_at"]
    assert "Retry-After" not in response.headers


def test_a_failed_operation_carries_the_problem_a_waiting_call_would_have_got(
    api: Api, make_vm: Callable[..., VM], drain: Drain, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.stop", kind="fail_async")
    operation_id = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    drain()
    shown = api.get(f"/operations/{operation_id}").json()
    assert shown["status"] == "FAILED"
    error = shown["error"]
    assert error["status"] >= 500
    assert error["type"].endswith(f"/problems/{error['code']}")
    assert error["instance"] == f"/api/v1/operations/{operation_id}"
    assert error["request_id"] == shown["request_id"]
    assert error["vm"] == str(vm.pk)
    assert error["retryable"] is False


def test_a_list_is_narrowed_by_target_status_type_and_id(
    api: Api, make_vm: Callable[..., VM], drain: Drain
) -> None:
    vm, other = make_vm(), make_vm()
    snapshot = api.post(f"/vms/{vm.pk}/snapshots", {"name": "s"}).json()
    drain()
    stop = api.post(f"/vms/{other.pk}/actions/stop").json()["operation_id"]

    def found(query: str) -> list[str]:
        rows = api.get(f"/operations?{query}").json()["results"]
        return [row["type"] for row in rows]

    assert found(f"target={vm.pk}") == ["vm.create"]
    assert found(f"target={snapshot['id']}") == ["snapshot.create"]
    assert found(f"vm={vm.pk}") == ["snapshot.create", "vm.create"]
    assert found("status=PENDING") == ["vm.stop"]
    assert found("status=PENDING,SUCCEEDED&type=vm.stop,snapshot.create") == [
        "vm.stop",
        "snapshot.create",
    ]
    assert found(f"id={stop},{snapshot['operation_id']}") == [
        "vm.stop",
        "snapshot.create",
    ]
    assert found("ordering=created_at&per_page=1") == ["vm.create"]


def test_what_no_worker_has_taken_is_cancelled_at_once(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    operation_id = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    response = api.post(f"/operations/{operation_id}/actions/cancel")
    assert response.status_code == 200
    assert response.json()["status"] == "CANCELLED"
    assert response.json()["error"]["code"] == "operation-cancelled"
    assert api.get(f"/vms/{vm.pk}").json()["status"] == "ACTIVE"


def test_what_has_ended_is_not_cancelled(api: Api, make_vm: Callable[..., VM]) -> None:
    vm = make_vm()
    response = api.post(f"/operations/{vm.operation_id}/actions/cancel")
    problem(response, 409, "not-cancellable")


def test_the_tag_of_an_operation_changes_as_it_does(
    api: Api, make_vm: Callable[..., VM], drain: Drain
) -> None:
    vm = make_vm()
    operation_id = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    path = f"/operations/{operation_id}"
    etag = api.get(path).headers["ETag"]
    assert api.get(path, If_None_Match=etag).status_code == 304
    drain()
    assert api.get(path, If_None_Match=etag).status_code == 200


def test_no_operation_is_404(api: Api) -> None:
    nobody = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    problem(api.get(f"/operations/{nobody}"), 404, "not-found")
    problem(api.post(f"/operations/{nobody}/actions/cancel"), 404, "not-found")
