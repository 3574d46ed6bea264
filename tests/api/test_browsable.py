"""The API as a person sees it in a browser."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from compute.models import VM
from tests.support.api import Api, operator
from tests.support.factories import (
    FlavorFactory,
    MembershipFactory,
    SnapshotFactory,
    VMFactory,
)

BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
NEW = {"name": "by-hand", "flavor": "m1.small", "image": "ubuntu-22.04"}
EMPTY = {"cloud": "", "description": "", "labels": "", "user_data": ""}


@pytest.fixture
def browser(db: None) -> Client:
    """Alice's browser, logged in."""
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(operator())
    return browser


def page(browser: Client, path: str, status: int = 200) -> str:
    response = browser.get(f"/api/v1{path}", headers=BROWSER)
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"].startswith("text/html")
    return response.content.decode()


def submit(browser: Client, path: str, **fields: str) -> Any:
    """Send a form of a page, token included."""
    token = re.search(
        r'name="csrfmiddlewaretoken" value="([^"]+)"', page(browser, "/vms")
    )
    assert token is not None
    return browser.post(
        f"/api/v1{path}",
        {"csrfmiddlewaretoken": token[1], **fields},
        headers={**BROWSER, "Sec-Fetch-Site": "same-origin"},
    )


@pytest.mark.parametrize(
    "path", ["/", "/vms", "/snapshots", "/operations", "/flavors", "/images"]
)
@pytest.mark.usefixtures("catalogue")
def test_every_list_is_a_page(api: Api, browser: Client, path: str) -> None:
    assert "VM Manager" in page(browser, path)


def test_members_stand_on_a_page_and_have_one(browser: Client) -> None:
    member = MembershipFactory.create(role="reader")
    path = f"/projects/{member.project_id}/members"
    assert f"<td>{member.user.username}</td>" in page(browser, path)
    assert member.user.username in page(browser, f"{path}/{member.user.username}")


def test_the_front_door_leads_to_the_api(browser: Client) -> None:
    assert browser.get("/").headers["Location"] == "/api/v1/"


def test_the_root_lists_what_there_is(api: Api) -> None:
    listed = api.get("/").json()
    assert listed["vms"] == "http://testserver/api/v1/vms"


def test_a_list_links_to_its_rows_and_to_further_pages(
    api: Api, browser: Client
) -> None:
    vms = VMFactory.create_batch(3)
    text = page(browser, "/vms?per_page=2")
    assert f'href="http://testserver/api/v1/vms/{vms[2].pk}">{vms[2].name}</a>' in text
    assert str(vms[0].pk) not in text
    assert 'per_page=2&amp;page=2">Next</a>' in text


def test_a_name_cannot_break_out_of_the_page(api: Api, browser: Client) -> None:
    VMFactory.create(name="<script>alert(1)</script>")
    assert "<script>alert(1)" not in page(browser, "/vms")


@pytest.mark.usefixtures("catalogue")
def test_a_vm_is_created_with_a_form(api: Api, browser: Client) -> None:
    response = submit(browser, "/vms", **NEW, **EMPTY | {"labels": '{"env": "prod"}'})
    assert response.status_code == 202, response.content
    vm = VM.objects.get()
    assert (vm.name, vm.labels, vm.delete_protection) == (
        "by-hand",
        {"env": "prod"},
        False,
    )
    assert str(vm.pk) in response.content.decode()


@pytest.mark.parametrize("labels", ['{"env": ', '["env"]'])
def test_a_refused_form_keeps_what_was_typed_and_says_what_is_wrong(
    api: Api, browser: Client, labels: str
) -> None:
    fields = {**NEW, **EMPTY, "name": " padded", "labels": labels}
    response = submit(browser, "/vms", **fields)
    text = response.content.decode()
    assert response.status_code == 400
    assert 'value=" padded"' in text
    assert "Must not begin or end with a space" in text
    assert "Must be an object of strings" in text
    assert not VM.objects.exists()


def test_a_vm_offers_the_actions_it_allows_as_forms(
    api: Api, browser: Client, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    text = page(browser, f"/vms/{vm.pk}")
    offered = set(re.findall(rf'action="/api/v1/vms/{vm.pk}/actions/([a-z-]+)"', text))
    assert offered == set(vm.allowed_actions) - {"delete", "snapshot"}
    assert 'placeholder="flavor"' in text
    assert 'data-method="DELETE"' in text
    response = submit(browser, f"/vms/{vm.pk}/actions/reboot", type="HARD")
    assert response.status_code == 202
    assert VM.objects.get().status == "REBOOT"
    assert "/actions/" not in page(browser, f"/vms/{vm.pk}").partition("<pre")[0]


def test_an_operation_that_can_be_cancelled_has_a_button(
    api: Api, browser: Client, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    operation_id = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    text = page(browser, f"/operations/{operation_id}")
    assert f"/operations/{operation_id}/actions/cancel" in text
    assert f"/vms/{vm.pk}" in text
    response = submit(browser, f"/operations/{operation_id}/actions/cancel")
    assert response.status_code == 200


def test_no_select_loads_a_table(api: Api, browser: Client) -> None:
    FlavorFactory.create(name="m9.secret")
    assert "m9.secret" not in page(browser, "/vms")


def test_snapshots_lead_to_their_vm(api: Api, browser: Client) -> None:
    snapshot = SnapshotFactory.create()
    for path in (f"/snapshots/{snapshot.pk}", f"/vms/{snapshot.vm_id}/snapshots"):
        text = page(browser, path)
        assert f"/api/v1/snapshots/{snapshot.pk}" in text
    assert f"/api/v1/vms/{snapshot.vm_id}" in page(browser, f"/snapshots/{snapshot.pk}")


def test_a_vm_that_has_had_no_operation_is_a_page(api: Api, browser: Client) -> None:
    vm = VMFactory.create()
    assert "Console log" in page(browser, f"/vms/{vm.pk}")


def test_errors_are_pages_too(api: Api, browser: Client) -> None:
    assert "not-found" in page(browser, "/nothing", 404)
    assert "validation-error" in page(browser, "/vms?stauts=x", 400)
    vm = VMFactory.create()
    assert "method-not-allowed" in page(browser, f"/vms/{vm.pk}/actions/stop", 405)


def test_a_form_without_its_token_is_refused(api: Api, browser: Client) -> None:
    response = browser.post("/api/v1/vms", NEW, headers=BROWSER)
    assert response.status_code == 403
    assert not VM.objects.exists()


def test_a_page_is_named_after_what_it_shows(api: Api, browser: Client) -> None:
    vm = VMFactory.create()
    text = page(browser, f"/vms/{vm.pk}")
    assert "<h1>VM</h1>" in text
    assert ">VMs</a>" in text
    assert "Not found" not in text, "a breadcrumb leads to nothing"


def test_the_console_is_found_without_its_slash(browser: Client) -> None:
    response = browser.get("/admin")
    assert (response.status_code, response["Location"]) == (302, "/admin/")
