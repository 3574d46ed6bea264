from collections.abc import Callable
from typing import Any

import pytest

from compute.bodies.vms import VM_BODY
from compute.models import VM, Event
from tests.support.api import Api, errors, problem
from tests.support.factories import VMFactory

NEW = {"name": "web-server-01", "flavor": "m1.small", "image": "ubuntu-22.04"}


@pytest.mark.usefixtures("catalogue")
def test_a_create_answers_202_with_the_vm_and_where_to_look(api: Api) -> None:
    response = api.post("/vms", NEW)
    vm = response.json()
    assert response.status_code == 202
    assert vm["status"] == "BUILD"
    assert vm["allowed_actions"] == []
    assert (vm["vcpus"], vm["ram_mb"], vm["disk_gb"]) == (1, 2048, 20)
    assert response.headers["Location"] == f"http://testserver/api/v1/vms/{vm['id']}"
    assert response.headers["Operation-Location"] == (
        f"http://testserver/api/v1/operations/{vm['operation_id']}"
    )
    assert response.headers["Retry-After"] == "2"
    assert response.headers["ETag"] == f'"{vm["version"]}"'
    assert response.headers["X-Request-ID"].startswith("req-")


@pytest.mark.usefixtures("catalogue")
def test_a_create_takes_every_field_and_shows_what_was_sent(api: Api) -> None:
    body = {
        **NEW,
        "name": "web ☃",
        "cloud": "default",
        "description": "two\nlines 🚀",
        "labels": {"env": "prod", "example.com/team": "a", "1": ""},
        "delete_protection": True,
        "user_data": "#cloud-config\n",
    }
    vm = api.post("/vms", body).json()
    assert {key: vm[key] for key in body if key != "user_data"} == {
        key: value for key, value in body.items() if key != "user_data"
    }
    assert "user_data" not in vm
    assert VM.objects.get().user_data == "#cloud-config\n"


@pytest.mark.usefixtures("catalogue")
def test_a_create_is_recorded_for_who_asked_with_the_request_id(api: Api) -> None:
    request_id = "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    api.post("/vms", NEW, X_Request_ID=request_id)
    event = Event.objects.get(type="vm.created")
    assert (event.actor, event.request_id) == ("user:alice", request_id)


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"flavor": "m9.huge"}, ("#/flavor", "does_not_exist")),
        ({"image": "plan9"}, ("#/image", "does_not_exist")),
        ({"cloud": "moon"}, ("#/cloud", "does_not_exist")),
        ({"nmae": "x"}, ("#/nmae", "unknown")),
        ({"name": ""}, ("#/name", "blank")),
        ({"name": None}, ("#/name", "null")),
        ({"name": 5}, ("#/name", "invalid")),
        ({"name": " padded"}, ("#/name", "invalid")),
        ({"name": "padded "}, ("#/name", "invalid")),
        ({"name": "tab\tbed"}, ("#/name", "invalid")),
        ({"name": "x" * 256}, ("#/name", "max_length")),
        ({"description": "x" * 4097}, ("#/description", "max_length")),
        ({"description": "\x07"}, ("#/description", "invalid")),
        ({"user_data": "é" * 49_149}, ("#/user_data", "max_length")),
        ({"delete_protection": "yes"}, ("#/delete_protection", "invalid")),
        ({"delete_protection": 1}, ("#/delete_protection", "invalid")),
        ({"labels": ["a"]}, ("#/labels", "invalid")),
        ({"labels": {"-a": "b"}}, ("#/labels/-a", "invalid")),
        ({"labels": {"a/b/c": "b"}}, ("#/labels/a~1b~1c", "invalid")),
        ({"labels": {"a": 1}}, ("#/labels/a", "invalid")),
        ({"labels": {"a": "b" * 64}}, ("#/labels/a", "invalid")),
        ({"labels": {f"k{n}": "" for n in range(65)}}, ("#/labels", "max_length")),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_a_create_with_a_wrong_field_is_refused_with_a_pointer_to_it(
    api: Api, changed: dict[str, Any], where: tuple[str, str]
) -> None:
    assert errors(api.post("/vms", {**NEW, **changed})) == [where]
    assert not VM.objects.exists()


def test_every_missing_field_is_named(api: Api) -> None:
    assert errors(api.post("/vms", {})) == [
        ("#/name", "required"),
        ("#/flavor", "required"),
        ("#/image", "required"),
    ]


@pytest.mark.parametrize("name", ["x", "x" * 255, "☃" * 255, "a b", "ünï", "日本"])
@pytest.mark.usefixtures("catalogue")
def test_names_come_back_as_they_were_sent(api: Api, name: str) -> None:
    vm = api.post("/vms", {**NEW, "name": name}).json()
    assert api.get(f"/vms/{vm['id']}").json()["name"] == name


def test_the_body_shows_exactly_the_fields_of_the_schema(api: Api) -> None:
    vm = VMFactory.create()
    shown = api.get(f"/vms/{vm.pk}").json()
    assert list(shown) == [field.name for field in VM_BODY.fields]


def test_a_vm_that_suffers_shows_the_problem(api: Api) -> None:
    vm = VMFactory.create(
        status="ERROR", error={"code": "server-vanished", "title": "Gone"}
    )
    error = api.get(f"/vms/{vm.pk}").json()["error"]
    assert error["type"] == "http://testserver/problems/server-vanished"


def test_when_a_vm_was_observed_is_the_last_pass_over_its_cloud(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    built = make_vm()
    row = VMFactory.create()
    assert api.get(f"/vms/{row.pk}").json()["observed_at"] is None
    observed = api.get(f"/vms/{built.pk}").json()["observed_at"]
    assert observed is not None
    assert observed.endswith("Z")


def test_the_proof_of_concept_lists_by_status_and_page(api: Api) -> None:
    VMFactory.create(name="on")
    VMFactory.create(name="off", status="SHUTOFF")
    page = api.get("/vms?status=ACTIVE&page=1&per_page=20").json()
    assert [vm["name"] for vm in page["results"]] == ["on"]
    assert page["count"] == 1


def test_a_patch_changes_what_it_names_and_nothing_else(api: Api) -> None:
    vm = VMFactory.create(name="old", labels={"a": "1"}, description="keep")
    response = api.patch(f"/vms/{vm.pk}", {"name": "new", "labels": {"b": "2"}})
    shown = response.json()
    assert response.status_code == 200
    assert response.headers["ETag"] == '"2"'
    assert (shown["name"], shown["labels"], shown["description"]) == (
        "new",
        {"b": "2"},
        "keep",
    )


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"status": "DELETED"}, ("#/status", "unknown")),
        ({"flavor": "m1.large"}, ("#/flavor", "unknown")),
        ({"name": ""}, ("#/name", "blank")),
        ([], ("#", "invalid")),
    ],
)
def test_a_patch_refuses_what_cannot_be_changed(
    api: Api, body: Any, where: tuple[str, str]
) -> None:
    vm = VMFactory.create()
    assert errors(api.patch(f"/vms/{vm.pk}", body)) == [where]


def test_a_vm_is_deleted_and_shown_only_on_demand(
    api: Api, make_vm: Callable[..., VM], drain: Callable[[], None]
) -> None:
    vm = make_vm()
    response = api.delete(f"/vms/{vm.pk}")
    assert response.status_code == 202
    assert response.json()["status"] == "DELETING"
    drain()
    problem(api.get(f"/vms/{vm.pk}"), 404, "not-found")
    problem(api.delete(f"/vms/{vm.pk}"), 404, "not-found")
    problem(api.post(f"/vms/{vm.pk}/actions/start"), 404, "not-found")
    assert api.names("/vms") == []
    assert api.names("/vms?include_deleted=true") == ["web-server-01"]
    shown = api.get(f"/vms/{vm.pk}?include_deleted=true").json()
    assert shown["status"] == "DELETED"
    assert shown["deleted_at"] is not None


def test_a_protected_vm_is_not_deleted(api: Api) -> None:
    vm = VMFactory.create(delete_protection=True)
    problem(api.delete(f"/vms/{vm.pk}"), 409, "delete-protected")
    assert "delete" not in api.get(f"/vms/{vm.pk}").json()["allowed_actions"]


def test_the_console_log_has_as_many_lines_as_asked(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    output = api.get(f"/vms/{vm.pk}/console-log?lines=2").json()["output"]
    assert len(output.splitlines()) <= 2
    assert output


@pytest.mark.parametrize("lines", ["0", "10001", "x", "-1", "1.5", "", "٣"])
def test_the_console_log_refuses_a_wrong_number_of_lines(api: Api, lines: str) -> None:
    vm = VMFactory.create()
    response = api.get(f"/vms/{vm.pk}/console-log?lines={lines}")
    assert errors(response) == [("lines", "invalid")]


def test_a_remote_console_is_kept_by_nobody(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    answer = api.get(f"/vms/{make_vm().pk}/console")
    assert answer.json()["type"] == "novnc"
    assert answer.json()["url"].startswith("https://")
    assert answer["Cache-Control"] == "no-store"


def test_a_vm_without_a_server_has_no_console(api: Api) -> None:
    vm = VMFactory.create(status="ERROR")
    problem(api.get(f"/vms/{vm.pk}/console"), 409, "invalid-transition")
    problem(api.get(f"/vms/{vm.pk}/console-log"), 409, "invalid-transition")
