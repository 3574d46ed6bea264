"""What a browser, or a proxy on the way, may keep of an answer."""

from collections.abc import Callable

import pytest
from django.test import Client

from compute.models import VM
from tests.support.api import Api
from tests.support.api import operator as alice
from tests.support.console import Operator, permission, staff
from tests.support.factories import VMFactory

PAGES = (
    "/api/v1/",
    "/api/v1/vms",
    "/api/v1/vms/{id}",
    "/api/v1/projects",
    "/api/v1/nowhere",
    "/api/v1/docs",
    "/admin/",
    "/admin/compute/vm/",
    "/admin/compute/vm/{id}/change/",
    "/admin/compute/vm/?x=1",
    "/admin/password_change/",
    "/admin/login/?next=/api/v1/",
    "/nowhere",
)

pytestmark = pytest.mark.once


@pytest.mark.parametrize("path", PAGES)
def test_no_page_is_kept(operator: Operator, path: str) -> None:
    answer = operator.client.get(path.format(id=VMFactory.create().pk))
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "no-store" in answer.headers["Cache-Control"]


def test_no_page_of_a_refusal_is_kept(onlooking: Operator) -> None:
    answer = onlooking.client.get("/admin/compute/vm/add/")
    assert answer.status_code == 403
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.fixture
def onlooking(db: None) -> Operator:
    return staff("ivan", permission("view_vm"))


@pytest.mark.django_db
def test_a_program_asks_whether_what_it_keeps_still_holds() -> None:
    path = f"/vms/{VMFactory.create().pk}"
    answer = Api().get(path)
    assert answer.headers["Cache-Control"] == "private, no-cache"
    again = Api().get(path, If_None_Match=answer.headers["ETag"])
    assert (again.status_code, again.headers["Cache-Control"]) == (
        304,
        "private, no-cache",
    )


def test_no_secret_is_kept(make_vm: Callable[..., VM]) -> None:
    user = alice()
    user.set_password("correct-horse-9")
    user.save()
    vm, api = make_vm(), Api()
    answers = [
        api.get(f"/vms/{vm.pk}/console"),
        api.get(f"/vms/{vm.pk}/console-log"),
        api.post("/api-tokens", {"name": "x"}),
        Client().post(
            "/api/v1/auth/tokens",
            # pragma: allowlist nextline secret
            {"username": "alice", "password": "correct-horse-9"},
            "application/json",
        ),
    ]
    for answer in answers:
        assert answer.status_code in (200, 201)
        assert answer.headers["Cache-Control"] == "no-store"
