"""The log as project admins and operators read it, refusals included."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.models import VM, Project, User
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory, ProjectFactory

MakeVM = Callable[..., VM]


@pytest.fixture
def admin(project: Project) -> User:
    user: User = MembershipFactory.create(role="admin").user
    return user


def listed(api: Api, query: str = "") -> list[dict[str, Any]]:
    answer = api.get(f"/events?per_page=100{query}")
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows


def test_an_admin_reads_what_happened_newest_first(
    admin: User, make_vm: MakeVM, project: Project
) -> None:
    vm = make_vm()
    rows = listed(as_user(admin))
    assert [row["type"] for row in rows] == [
        "vm.updated",
        "operation.finished",
        "vm.created",
    ]
    created = rows[-1]
    assert created["specversion"] == "1.0"
    assert created["source"] == f"/api/v1/projects/{project.pk}"
    assert created["subject"] == f"vms/{vm.pk}"
    assert created["sequence"] == "000000000001"
    data = created["data"]
    assert (data["actor"], data["outcome"]) == ("user:alice", "SUCCEEDED")
    assert data["operation"] == str(vm.operation_id)
    assert (data["version"], data["changes"], data["details"]) == (1, {}, {})


def test_a_refusal_is_in_the_log(admin: User, make_vm: MakeVM) -> None:
    vm, api = make_vm(), as_user(admin)
    request_id = "req-8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c12"
    path = f"/vms/{vm.pk}/actions/start"
    problem(api.post(path, X_Request_ID=request_id), 409, "invalid-transition")
    (row,) = listed(api, "&outcome=REFUSED")
    assert row["type"] == "request.refused"
    assert row["subject"] == f"vms/{vm.pk}"
    data = row["data"]
    assert data["request_id"] == request_id
    assert data["actor"] == f"user:{admin.username}"
    assert data["address"] == "127.0.0.1"
    assert (data["version"], data["changes"]) == (vm.version, {})
    assert data["details"] == {
        "method": "POST",
        "path": f"/api/v1{path}",
        "code": "invalid-transition",
        "detail": "Cannot start a VM that is ACTIVE.",
    }


def test_who_may_not_is_in_the_log(admin: User, make_vm: MakeVM) -> None:
    vm = make_vm()
    reader = MembershipFactory.create(role="reader").user
    refused = as_user(reader).delete(f"/vms/{vm.pk}")
    problem(refused, 403, "permission-denied")
    (row,) = listed(as_user(admin), "&outcome=REFUSED")
    assert (row["data"]["actor"], row["data"]["details"]["method"]) == (
        f"user:{reader.username}",
        "DELETE",
    )


def test_it_is_filtered(admin: User, make_vm: MakeVM) -> None:
    vm, api = make_vm(), as_user(admin)
    assert len(listed(api, "&type=vm.created,operation.finished")) == 2
    assert len(listed(api, f"&vm={vm.pk}")) == 3
    assert len(listed(api, "&actor=system")) == 2
    assert listed(api, "&created_at__lt=2020-01-01T00:00:00Z") == []


def test_it_is_walked_by_cursor(admin: User, make_vm: MakeVM) -> None:
    make_vm()
    api = as_user(admin)
    assert errors(api.get("/events?page=1")) == [("page", "unknown")]
    page = api.get("/events?per_page=2").json()
    assert page["count"] is None
    rest = api.get(page["next"].removeprefix("http://testserver/api/v1")).json()
    assert len(page["results"]) + len(rest["results"]) == 3
    one = page["results"][0]
    assert api.get(f"/events/{one['id']}").json() == one


def test_it_is_for_admins(project: Project, make_vm: MakeVM) -> None:
    make_vm()
    member = as_user(MembershipFactory.create(role="member").user)
    problem(member.get("/events"), 403, "permission-denied")
    other = ProjectFactory.create()
    elsewhere = as_user(MembershipFactory.create(project=other, role="admin").user)
    assert listed(elsewhere) == []


def test_what_is_no_projects_is_for_operators(api: Api, admin: User) -> None:
    Api("").post("/auth/tokens", {"username": "x", "password": "y"})
    assert listed(as_user(admin), "&type=login.failed") == []
    (row,) = listed(api, "&type=login.failed")
    assert (row["subject"], row["sequence"], row["source"]) == (None, None, "/api/v1/")
