"""Logging in with a browser: operators and everybody else, by one page."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from compute import throttling
from compute.models import Event, Login, User
from compute.services import logins
from tests.support.api import Api

LOGIN = "/admin/login/"
WRONG = "No active user with this name and password."


@pytest.fixture
def browser(db: None) -> Client:
    return Client(headers={"Accept": "text/html", "User-Agent": "Firefox"})


@pytest.fixture
def olga(db: None) -> User:
    # pragma: allowlist nextline secret
    return User.objects.create_superuser("olga", password="right")


@pytest.fixture
def alice(db: None) -> User:
    """Nobody of ours: she has no access to the console."""
    # pragma: allowlist nextline secret
    return User.objects.create_user("alice", password="right")


def log_in(
    browser: Client,
    name: str,
    password: str = "right",  # noqa: S107  # of the test users
    *,
    next: str = "",
) -> Any:
    values = {"username": name, "password": password, "next": next}
    return browser.post(LOGIN, values)


def is_in(browser: Client) -> bool:
    return browser.get("/api/v1/auth/me").status_code == 200


@pytest.fixture(autouse=True)
def nobody_without_a_login(settings: Settings) -> None:
    """As on a server: in development who sends nothing is let in."""
    settings.DEBUG = False


def test_an_operator_lands_in_the_console(browser: Client, olga: User) -> None:
    page = browser.get(LOGIN).content.decode()
    assert "VM Manager" in page
    assert "<script>" not in page
    response = log_in(browser, "olga")
    assert (response.status_code, response["Location"]) == (302, "/admin/")
    assert browser.get("/admin/").status_code == 200
    assert browser.get(LOGIN)["Location"] == "/admin/"


def test_the_console_leads_to_the_page_and_back(browser: Client, olga: User) -> None:
    there = browser.get("/admin/compute/vm/")["Location"]
    assert there == f"{LOGIN}?next=/admin/compute/vm/"
    assert 'value="/admin/compute/vm/"' in browser.get(there).content.decode()
    response = log_in(browser, "olga", next="/admin/compute/vm/")
    assert response["Location"] == "/admin/compute/vm/"


def test_everybody_else_lands_in_the_pages_of_the_api(
    browser: Client, alice: User
) -> None:
    assert log_in(browser, "alice")["Location"] == "/api/v1/"
    assert is_in(browser)
    assert browser.get(LOGIN)["Location"] == "/api/v1/"
    response = log_in(browser, "alice", next="/api/v1/vms?per_page=2")
    assert response["Location"] == "/api/v1/vms?per_page=2"


def test_the_console_refuses_who_is_no_operator(browser: Client, alice: User) -> None:
    log_in(browser, "alice", next="/admin/compute/vm/")
    response = browser.get("/admin/compute/vm/")
    assert response.status_code == 302
    page = browser.get(response["Location"])
    assert page.status_code == 200
    assert "not authorized to" in page.content.decode()


@pytest.mark.parametrize("next", ["https://evil.example/", "//evil.example", "/\\evil"])
def test_a_login_leads_nowhere_else(browser: Client, alice: User, next: str) -> None:
    assert log_in(browser, "alice", next=next)["Location"] == "/api/v1/"


@pytest.mark.parametrize(
    ("name", "password", "data"),
    [
        ("olga", "wrong", {"username": "olga"}),
        ("gone", "right", {"username": "gone"}),
        ("stranger", "right", {}),
    ],
)
def test_who_fails_reads_the_same_and_leaves_an_event(
    browser: Client, olga: User, name: str, password: str, data: dict[str, str]
) -> None:
    # pragma: allowlist nextline secret
    User.objects.create_user("gone", password="right", is_active=False)
    response = log_in(browser, name, password)
    assert response.status_code == 200
    page = response.content.decode()
    assert re.findall(r'class="errornote">\s*(.*?)\s*<', page) == [WRONG]
    event = Event.objects.get()
    assert (event.type, event.outcome, event.actor) == (
        "login.failed",
        "FAILED",
        "anonymous",
    )
    assert event.details == data
    assert event.address == "127.0.0.1"
    assert event.request_id == response.headers["X-Request-ID"]
    assert not Login.objects.exists()


@pytest.mark.parametrize("values", [{"username": ""}, {"password": ""}])
def test_half_a_form_is_no_attempt(
    browser: Client, olga: User, values: dict[str, str]
) -> None:
    response = browser.post(LOGIN, {"username": "olga", "password": "x", **values})
    assert "This field is required" in response.content.decode()
    assert not Event.objects.exists()


def test_a_login_needs_the_token_of_its_page(olga: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert log_in(strict, "olga").status_code == 403
    assert not Login.objects.exists()


# How often


@pytest.fixture
def two_a_minute(settings: Settings) -> Iterator[None]:
    settings.RATE_LIMITS = {**settings.RATE_LIMITS, "auth": "2/60 second"}
    throttling.reset()
    yield
    throttling.reset()


@pytest.mark.usefixtures("two_a_minute")
def test_too_many_attempts_of_an_address_are_refused(
    browser: Client, olga: User
) -> None:
    for _ in range(2):
        assert log_in(browser, "olga", "wrong").status_code == 200
    response = log_in(browser, "olga")
    assert response.status_code == 429
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert "Too many requests" in response.content.decode()
    assert not is_in(browser)
    assert Event.objects.filter(type="login.failed").count() == 1
    assert browser.get(LOGIN).status_code == 200, "to look at the form is free"
    # pragma: allowlist nextline secret
    elsewhere = {"username": "olga", "password": "right"}
    response = browser.post(LOGIN, elsewhere, REMOTE_ADDR="192.0.2.7")
    assert response.status_code == 302


@pytest.mark.usefixtures("two_a_minute")
def test_both_doors_count_together(browser: Client, olga: User) -> None:
    body = {"username": "olga", "password": "wrong"}  # pragma: allowlist secret
    for _ in range(2):
        Api("").post("/auth/tokens", body)
    assert log_in(browser, "olga").status_code == 429


@pytest.mark.usefixtures("two_a_minute")
def test_a_program_reads_a_problem_of_too_many_attempts(olga: User) -> None:
    program = Client()
    for _ in range(2):
        log_in(program, "olga", "wrong")
    response = log_in(program, "olga")
    assert response.status_code == 429
    assert response.json()["code"] == "rate-limited"
    assert int(response.headers["Retry-After"]) > 0


# The login's own row


def test_a_login_is_a_row_that_the_session_names(browser: Client, olga: User) -> None:
    log_in(browser, "olga")
    login = Login.objects.get()
    assert (login.user, login.kind, login.user_agent) == (olga, "browser", "Firefox")
    assert login.address == "127.0.0.1"
    left = login.expires_at - timezone.now()
    assert timedelta(hours=11) < left <= timedelta(hours=12)
    assert browser.session["login"] == str(login.pk)
    event = Event.objects.get()
    assert (event.type, event.actor) == ("login.succeeded", "user:olga")
    assert event.address == "127.0.0.1"


def test_a_revoked_login_is_out_with_the_next_request(
    browser: Client, alice: User, actor: Any
) -> None:
    log_in(browser, "alice")
    assert is_in(browser)
    logins.revoke(Login.objects.get(), actor=actor)
    assert not is_in(browser)
    assert "login" not in browser.session


def test_a_login_ends_with_its_time(browser: Client, alice: User) -> None:
    log_in(browser, "alice")
    Login.objects.update(expires_at=timezone.now())
    assert not is_in(browser)


def test_who_is_deactivated_is_out(browser: Client, alice: User) -> None:
    log_in(browser, "alice")
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert not is_in(browser)


def test_to_log_out_ends_the_login(browser: Client, olga: User) -> None:
    log_in(browser, "olga")
    response = browser.post("/admin/logout/")
    assert (response.status_code, response["Location"]) == (302, LOGIN)
    assert Login.objects.get().revoked_at is not None
    assert Event.objects.filter(type="login.revoked", actor="user:olga").exists()
    assert not is_in(browser)
    browser.post("/admin/logout/")  # again, by nobody
    assert browser.get("/admin/logout/").status_code == 405


def test_to_log_out_leads_back_to_us_alone(browser: Client, alice: User) -> None:
    for next, where in (("/api/v1/vms", "/api/v1/vms"), ("//evil.example", LOGIN)):
        log_in(browser, "alice")
        response = browser.post("/admin/logout/", {"next": next})
        assert response["Location"] == where


def test_a_second_login_ends_the_first(
    browser: Client, alice: User, olga: User
) -> None:
    log_in(browser, "alice")
    log_in(browser, "olga")
    assert [login.user for login in Login.objects.filter(revoked_at=None)] == [olga]


def test_a_password_reset_puts_its_user_out(browser: Client, alice: User) -> None:
    log_in(browser, "alice")
    alice.set_password("other")
    alice.save(update_fields=["password"])
    assert not is_in(browser)


def test_a_login_costs_one_query_where_there_is_one(
    browser: Client, alice: User, django_assert_num_queries: Callable[..., Any]
) -> None:
    path = "/api/v1/auth/me"
    browser.force_login(alice)  # a session that carries no login
    with django_assert_num_queries(3):  # session, user, roles with projects
        browser.get(path)
    log_in(browser, "alice")
    with django_assert_num_queries(4):
        browser.get(path)


def test_who_has_no_session_gets_an_answer_for_everybody(db: None) -> None:
    response = Client().get("/health")
    assert "Vary" not in response.headers or "Cookie" not in response.headers["Vary"]


# The pages of the API


def test_a_page_of_the_api_leads_to_the_login_and_back(
    browser: Client, alice: User
) -> None:
    page = browser.get("/api/v1/vms?per_page=2")
    assert page.status_code == 401
    text = page.content.decode()
    found = re.search(r'href="(/admin/login/[^"]*)">Log in<', text)
    assert found is not None
    assert found[1] == f"{LOGIN}?next=/api/v1/vms%3Fper_page%3D2"
    assert "Log out" not in text
    log_in(browser, "alice", next="/api/v1/vms?per_page=2")
    text = browser.get("/api/v1/vms?per_page=2").content.decode()
    assert "alice" in text
    assert "Log out" in text
    assert "Log in" not in text
    assert "Console" not in text


def test_a_page_of_the_api_logs_out_with_its_token(olga: User) -> None:
    browser = Client(enforce_csrf_checks=True, headers={"Accept": "text/html"})
    browser.force_login(olga)
    text = browser.get("/api/v1/").content.decode()
    assert "Console" in text
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', text)
    assert token is not None
    values = {"csrfmiddlewaretoken": token[1], "next": "/api/v1/"}
    assert browser.post("/admin/logout/", values)["Location"] == "/api/v1/"
    assert not is_in(browser)


def test_who_is_let_in_by_the_machine_can_still_log_in(
    browser: Client, olga: User, settings: Settings
) -> None:
    settings.DEBUG = True
    text = browser.get("/api/v1/", headers={"Host": "127.0.0.1"}).content.decode()
    assert "olga" in text
    assert "Log in" in text
    assert "Log out" not in text
