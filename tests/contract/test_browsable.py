"""The browsable API: its forms are accepted, and begin with what there is."""

import html
import re
from typing import Any

import orjson
import pytest
from django.test import Client

from compute.models import VM, Project
from compute.models.quota import Quota, Resource
from tests.support.api import operator
from tests.support.factories import MembershipFactory, SnapshotFactory, VMFactory

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
NEW = {"name": "by-hand", "flavor": "m1.small", "image": "ubuntu-22.04"}


@pytest.fixture
def browser(project: Project) -> Client:
    browser = Client(headers=BROWSER)
    browser.force_login(operator())
    return browser


def page(browser: Client, path: str) -> str:
    response = browser.get(f"/api/v1{path}")
    assert response.status_code == 200, response.content
    return response.content.decode()


def actions(text: str, method: str) -> set[str]:
    """Return where the forms of a page go that send a method."""
    forms = re.findall(r"<form\b[^>]*>", text)
    sending = [form for form in forms if method in form.upper() and "action=" in form]
    return {html.unescape(re.findall(r'action="([^"]*)"', form)[0]) for form in sending}


def prefilled(text: str) -> dict[str, Any]:
    """Return the body that the form for changes begins with."""
    area = re.findall(r"<textarea[^>]*>(.*?)</textarea>", text, re.DOTALL)[-1]
    body: dict[str, Any] = orjson.loads(html.unescape(area))
    return body


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    "query", ["", "?per_page=3", "?per_page=3&status=ACTIVE,ERROR"]
)
def test_a_form_on_a_page_of_a_list_is_accepted(browser: Client, query: str) -> None:
    text = page(browser, f"/vms{query}")
    (action,) = {a for a in actions(text, "POST") if "logout" not in a}
    answer = browser.post(action, NEW)
    assert answer.status_code == 202, answer.content
    assert VM.objects.get().name == "by-hand"


def test_no_form_of_any_page_takes_the_query_along(browser: Client) -> None:
    vm, snapshot = VMFactory.create(), SnapshotFactory.create()
    paths = [
        "/vms?per_page=3",
        f"/vms/{vm.pk}?include_deleted=true",
        f"/vms/{vm.pk}/snapshots?per_page=3&ordering=name",
        f"/snapshots/{snapshot.pk}?include_deleted=true",
        "/projects?search=a&per_page=3",
        "/api-tokens?cursor=",
    ]
    for path in paths:
        text = page(browser, path)
        for method in ("POST", "PATCH", "PUT", "DELETE"):
            found = actions(text, method) - {"/admin/logout/"}
            assert not [action for action in found if "?" in action], (path, method)
        # To look again is to look at the same.
        assert html.escape(f"/api/v1{path}") in text


def test_a_change_begins_with_what_there_is(browser: Client) -> None:
    vm = VMFactory.create(
        name="web-1", description="two\nlines", labels={"env": "prod"}
    )
    body = prefilled(page(browser, f"/vms/{vm.pk}"))
    assert body == {
        "name": "web-1",
        "description": "two\nlines",
        "labels": {"env": "prod"},
        "delete_protection": False,
    }
    body["name"] = "web-2"
    answer = browser.patch(
        f"/api/v1/vms/{vm.pk}", orjson.dumps(body), content_type="application/json"
    )
    assert answer.status_code == 200
    vm.refresh_from_db()
    assert (vm.name, vm.description, vm.labels) == (
        "web-2",
        "two\nlines",
        {"env": "prod"},
    )


def test_it_does_everywhere(browser: Client, project: Project) -> None:
    snapshot = SnapshotFactory.create(name="before", labels={"a": "b"})
    body = prefilled(page(browser, f"/snapshots/{snapshot.pk}"))
    assert body == {"name": "before", "description": "", "labels": {"a": "b"}}
    body = prefilled(page(browser, f"/projects/{project.pk}"))
    assert body == {
        "name": "default",
        "description": project.description,
        "clouds": None,
    }
    Quota.objects.filter(project=project, resource="vms").update(limit=7, used=2)
    # Of a quota the limits alone can be changed.
    body = prefilled(page(browser, f"/projects/{project.pk}/quota"))
    assert body["vms"] == {"limit": 7}
    assert set(body) == set(Resource.values)


def test_a_form_has_no_field_that_its_reader_may_not_set(project: Project) -> None:
    member = MembershipFactory.create(project=project, role="admin")
    admin = Client(headers=BROWSER)
    admin.force_login(member.user)
    body = prefilled(page(admin, f"/projects/{project.pk}"))
    assert body == {"name": "default", "description": project.description}
    answer = admin.patch(
        f"/api/v1/projects/{project.pk}",
        orjson.dumps(body),
        content_type="application/json",
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("typed", "clouds"), [('["default"]', ["default"]), ("null", None), ("", None)]
)
def test_a_list_is_typed_as_json(
    browser: Client, typed: str, clouds: list[str] | None
) -> None:
    form = {"name": "by-hand", "description": "", "clouds": typed}
    answer = browser.post("/api/v1/projects", form)
    assert answer.status_code == 201, answer.content
    assert Project.objects.get(name="by-hand").clouds == clouds


@pytest.mark.parametrize("typed", ["default", '{"a": 1}', "[1]", '["moon"]', "[]"])
def test_what_is_no_list_of_clouds_is_refused_and_shown_as_typed(
    browser: Client, typed: str
) -> None:
    form = {"name": "by-hand", "description": "", "clouds": typed}
    answer = browser.post("/api/v1/projects", form)
    assert answer.status_code == 400, answer.content
    assert f">{html.escape(typed)}</textarea>" in answer.content.decode()
    assert not Project.objects.filter(name="by-hand").exists()


def test_labels_that_are_refused_are_shown_as_typed(browser: Client) -> None:
    typed = '{"env": "prod", "a b": ""}'
    answer = browser.post("/api/v1/vms", {**NEW, "labels": typed})
    assert answer.status_code == 400
    assert f">{html.escape(typed)}</textarea>" in answer.content.decode()


def test_a_new_project_begins_without_a_list_of_clouds(browser: Client) -> None:
    body = prefilled(page(browser, "/projects"))
    assert body == {"name": "", "description": "", "clouds": None}


def test_a_refused_change_shows_what_was_sent(browser: Client) -> None:
    vm = VMFactory.create(name="web-1")
    sent = {"name": " padded", "description": "kept"}
    answer = browser.patch(
        f"/api/v1/vms/{vm.pk}", orjson.dumps(sent), content_type="application/json"
    )
    assert answer.status_code == 400
    assert prefilled(answer.content.decode()) == sent
