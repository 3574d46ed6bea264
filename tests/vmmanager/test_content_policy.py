"""What pages may load and run: our own files, and nothing that stands in the page."""

import re
from collections.abc import Callable

import pytest
from django.contrib.staticfiles import finders
from django.http.response import HttpResponseBase
from django.test import Client

from compute.models import VM, User

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
#: What the policy refuses; JSON in a script element is data and does not run.
INLINE = re.compile(
    r"""<style | <script(?![^>]*\s(?:src=|type="application/json")) |
    <[^>]*\s(?:style|on[a-z]+)\s*= | (?:href|src|action)\s*=\s*["']?javascript:""",
    re.IGNORECASE | re.VERBOSE,
)

pytestmark = [pytest.mark.django_db, pytest.mark.once]


@pytest.fixture
def browser() -> Client:
    """The browser of an operator who is logged in."""
    client = Client(headers={"Accept": "text/html"})
    client.force_login(User.objects.create_superuser("olga", password="x"))
    return client


def policy(response: HttpResponseBase) -> dict[str, str]:
    header = response.headers["Content-Security-Policy"]
    directives = (directive.partition(" ") for directive in header.split("; "))
    return {name: sources for name, _, sources in directives}


@pytest.mark.parametrize(
    "path",
    [
        "/admin/",
        "/admin/compute/vm/",
        "/admin/compute/vm/add/",
        "/admin/compute/vm/{id}/change/",
        "/admin/compute/vm/{id}/delete/",
        "/admin/compute/operation/",
        "/admin/compute/user/add/",
        "/admin/compute/apitoken/add/",
        "/admin/password_change/",
        "/admin/nothing/",
        "/api/v1/",
        "/api/v1/docs",
        "/api/v1/docs/guides/events",
        "/api/v1/vms",
        "/api/v1/vms/{id}",
        "/api/v1/vms/{id}/snapshots",
        "/api/v1/operations",
        "/api/v1/nothing",
        "/problems",
        "/problems/not-found",
        "/problems/nothing",
    ],
)
def test_no_page_holds_script_or_style_and_none_may(
    browser: Client, make_vm: Callable[..., VM], path: str
) -> None:
    response = browser.get(path.format(id=make_vm().pk))
    assert response.headers["Content-Type"].startswith("text/html")
    assert policy(response) == POLICY
    assert INLINE.findall(response.content.decode()) == []


def test_the_log_in_page_has_the_policy_too(client: Client) -> None:
    response = client.get("/admin/login/")
    assert policy(response) == POLICY
    assert INLINE.findall(response.content.decode()) == []


def test_a_refused_form_reads_as_our_other_pages() -> None:
    browser = Client(enforce_csrf_checks=True, headers={"Accept": "text/html"})
    response = browser.post("/admin/login/", {"username": "olga"})
    assert response.status_code == 403
    assert policy(response) == POLICY
    assert INLINE.findall(response.content.decode()) == []
    assert "Load the page again" in response.content.decode()


def test_what_is_refused_before_any_view_has_the_policy_too(client: Client) -> None:
    response = client.get("/api/v1/vms?search=%00", headers={"Accept": "text/html"})
    assert response.status_code == 400
    assert policy(response) == POLICY


def test_the_script_of_the_docs_is_a_file_of_its_own_for_our_pages_alone(
    client: Client,
) -> None:
    page = client.get("/api/v1/docs", headers={"Accept": "text/html"})
    source = re.search(r'<script src="(/api/v1/docs\?[^"]+)"', page.content.decode())
    assert source is not None
    script = client.get(source[1])
    assert script.headers["Content-Type"].startswith("application/javascript")
    assert b"SwaggerUIBundle({" in script.content
    # It holds a CSRF token, and any site may name a script.
    assert script.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_no_script_reads_the_cookies(client: Client) -> None:
    User.objects.create_superuser("olga", password="x")
    response = client.post("/admin/login/", {"username": "olga", "password": "x"})
    assert set(response.cookies) == {"sessionid", "csrftoken"}
    for cookie in response.cookies.values():
        assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/admin/login/", "/api/v1/", "/api/v1/docs", "/problems"],
)
def test_every_page_has_our_icon(browser: Client, client: Client, path: str) -> None:
    page = (client if "login" in path else browser).get(path).content.decode()
    icons = re.findall(r'<link rel="icon" href="([^"]+)"', page)
    assert icons == ["/static/compute/favicon.svg"]
    assert finders.find("compute/favicon.svg")
