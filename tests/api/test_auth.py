"""Logging in, staying in, being thrown out."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from compute.events import Actor
from compute.models import Event, Login, Project, User
from compute.services import logins
from tests.support.api import Api, as_user, errors, operator, problem
from tests.support.factories import MembershipFactory, ProjectFactory, UserFactory

PASSWORD = "correct horse battery staple"  # pragma: allowlist secret


@pytest.fixture
def carol(project: Project) -> User:
    """A member of the default project, with a password."""
    carol = UserFactory.create(username="carol")
    carol.set_password(PASSWORD)
    carol.save(update_fields=["password"])
    MembershipFactory.create(user=carol, project=project)
    return carol


@pytest.fixture
def nobody() -> Api:
    return Api("")


def log_in(nobody: Api, **body: str) -> Any:
    return nobody.post(
        "/auth/tokens", {"username": "carol", "password": PASSWORD, **body}
    )


def me(token: str) -> Any:
    return Api(token).get("/auth/me")


def test_a_login_opens_with_name_and_password(
    carol: User, nobody: Api, project: Project
) -> None:
    answer = log_in(nobody)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    tokens = answer.json()
    assert tokens["token_type"] == "Bearer"
    shown = me(tokens["access"]).json()
    assert shown == {
        "id": carol.pk,
        "username": "carol",
        "is_operator": False,
        "projects": [{"id": str(project.pk), "name": "default", "role": "member"}],
        "token": None,
    }
    carol.refresh_from_db()
    assert carol.last_login is not None
    event = Event.objects.get(type="login.succeeded")
    assert (event.actor, event.address) == ("user:carol", "127.0.0.1")


@pytest.mark.parametrize(
    "wrong", [{"password": "no"}, {"username": "nobody"}, {"username": "Carol"}]
)
def test_what_is_wrong_is_not_told(
    carol: User, nobody: Api, wrong: dict[str, str]
) -> None:
    refused = problem(log_in(nobody, **wrong), 401, "unauthenticated")
    assert refused["detail"] == "No active user with this name and password."


def test_a_deactivated_user_is_as_unknown(carol: User, nobody: Api) -> None:
    User.objects.filter(pk=carol.pk).update(is_active=False)
    refused = problem(log_in(nobody), 401, "unauthenticated")
    assert refused["detail"] == "No active user with this name and password."


def test_who_fails_is_noted_and_what_they_typed_is_not(
    carol: User, nobody: Api
) -> None:
    log_in(nobody, password="swordfish")  # pragma: allowlist secret
    log_in(nobody, username="my password by mistake")
    first, second = Event.objects.filter(type="login.failed").order_by("created_at")
    assert (first.outcome, first.actor) == ("FAILED", "anonymous")
    assert first.address == "127.0.0.1"
    assert (first.changes, first.details) == ({}, {"username": "carol"})
    assert (second.changes, second.details) == ({}, {})


def test_a_body_must_be_whole(nobody: Api) -> None:
    assert errors(nobody.post("/auth/tokens", {"username": "x"})) == [
        ("#/password", "required")
    ]
    assert errors(nobody.post("/auth/tokens/refresh", {"refresh": 1})) == [
        ("#/refresh", "invalid")
    ]


def test_a_refresh_token_is_used_up_by_a_refresh(carol: User, nobody: Api) -> None:
    first = log_in(nobody).json()
    second = nobody.post("/auth/tokens/refresh", {"refresh": first["refresh"]})
    assert second.status_code == 200
    assert me(second.json()["access"]).status_code == 200
    third = nobody.post("/auth/tokens/refresh", {"refresh": second.json()["refresh"]})
    assert third.status_code == 200


def test_a_refresh_token_that_comes_again_ends_the_login(
    carol: User, nobody: Api, time_machine: time_machine.TimeMachineFixture
) -> None:
    first = log_in(nobody).json()
    second = nobody.post("/auth/tokens/refresh", {"refresh": first["refresh"]}).json()
    time_machine.move_to(timezone.now() + timedelta(seconds=11))
    again = nobody.post("/auth/tokens/refresh", {"refresh": first["refresh"]})
    problem(again, 401, "unauthenticated")
    # Whoever of the two was the thief: neither is in any more.
    problem(me(second["access"]), 401, "unauthenticated")
    after = nobody.post("/auth/tokens/refresh", {"refresh": second["refresh"]})
    problem(after, 401, "unauthenticated")
    assert Event.objects.get(type="login.revoked").details["reason"]


def test_logging_out_ends_all_tokens_at_once(carol: User, nobody: Api) -> None:
    tokens = log_in(nobody).json()
    other = log_in(nobody).json()
    body = {"refresh": tokens["refresh"]}
    assert nobody.post("/auth/tokens/revoke", body).status_code == 204
    problem(me(tokens["access"]), 401, "unauthenticated")
    problem(nobody.post("/auth/tokens/refresh", body), 401, "unauthenticated")
    assert me(other["access"]).status_code == 200
    # Again, and with nonsense: there is nothing to end, and nothing is told.
    assert nobody.post("/auth/tokens/revoke", body).status_code == 204
    assert nobody.post("/auth/tokens/revoke", {"refresh": "x"}).status_code == 204


def test_a_deactivated_user_is_out_at_once(carol: User, nobody: Api) -> None:
    tokens = log_in(nobody).json()
    User.objects.filter(pk=carol.pk).update(is_active=False)
    problem(me(tokens["access"]), 401, "unauthenticated")
    body = {"refresh": tokens["refresh"]}
    problem(nobody.post("/auth/tokens/refresh", body), 401, "unauthenticated")


def test_a_new_password_ends_all_logins(carol: User, nobody: Api) -> None:
    tokens = log_in(nobody).json()
    carol.set_password("another battery staple")
    carol.save(update_fields=["password"])
    problem(me(tokens["access"]), 401, "unauthenticated")
    body = {"refresh": tokens["refresh"]}
    problem(nobody.post("/auth/tokens/refresh", body), 401, "unauthenticated")


def test_tokens_expire(
    carol: User, nobody: Api, time_machine: time_machine.TimeMachineFixture
) -> None:
    tokens = log_in(nobody).json()
    now = timezone.now()
    time_machine.move_to(now + timedelta(minutes=11))
    expired = me(tokens["access"])
    problem(expired, 401, "token-expired")
    assert 'error="invalid_token"' in expired.headers["WWW-Authenticate"]
    time_machine.move_to(now + timedelta(hours=25))
    refreshed = nobody.post("/auth/tokens/refresh", {"refresh": tokens["refresh"]})
    problem(refreshed, 401, "token-expired")


def forged(**claims: Any) -> str:
    token = AccessToken()
    for name, value in claims.items():
        token[name] = value
    return str(token)


@pytest.mark.parametrize(
    "token",
    [
        lambda _: "nonsense",
        lambda _: "a.b.c",
        lambda _: "é",
        lambda _: forged(),
        lambda _: forged(login="x"),
        lambda _: forged(login="0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
        # A refresh token opens nothing but a refresh.
        lambda tokens: tokens.refresh,
        lambda tokens: tokens.access + "x",
        lambda tokens: tokens.access.rpartition(".")[0] + ".",
    ],
)
def test_what_is_no_access_token_is_refused(
    carol: User, token: Callable[[logins.Tokens], str]
) -> None:
    tokens = logins.begin_tokens(carol, actor=Actor("system"), user_agent="")
    problem(me(token(tokens)), 401, "unauthenticated")


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Token x", "osl_x", ""])
def test_other_schemes_are_refused(nobody: Api, project: Project, header: str) -> None:
    answer = nobody.get("/vms", Authorization=header)
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


def test_without_a_token_there_is_nothing(nobody: Api, project: Project) -> None:
    answer = nobody.get("/vms")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_no_token_is_stored_in_clear(carol: User, nobody: Api) -> None:
    tokens = log_in(nobody).json()
    nobody.post("/auth/tokens/refresh", {"refresh": tokens["refresh"]})
    assert list(OutstandingToken.objects.values_list("token", flat=True)) == [""]


def test_what_ended_long_ago_is_forgotten(
    carol: User, nobody: Api, time_machine: time_machine.TimeMachineFixture
) -> None:
    tokens = log_in(nobody).json()
    nobody.post("/auth/tokens/refresh", {"refresh": tokens["refresh"]})
    logins.forget_old()
    assert Login.objects.count() == OutstandingToken.objects.count() == 1
    time_machine.move_to(timezone.now() + timedelta(days=32))
    logins.forget_old()
    assert Login.objects.count() == OutstandingToken.objects.count() == 0


def test_roles_are_read_at_every_request(carol: User, project: Project) -> None:
    api = as_user(carol)
    body = {
        "name": "x",
        "flavor": "m1.none",
        "image": "cirros",
        "project": str(project.pk),
    }
    assert errors(api.post("/vms", body))[0] == ("#/flavor", "does_not_exist")
    carol.memberships.update(role="reader")
    problem(api.post("/vms", body), 403, "permission-denied")
    carol.memberships.all().delete()
    assert api.get("/vms").json()["count"] == 0


def test_a_refresh_token_made_elsewhere_is_refused(carol: User, nobody: Api) -> None:
    stranger = RefreshToken()
    stranger["login"] = "0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    answer = nobody.post("/auth/tokens/refresh", {"refresh": str(stranger)})
    problem(answer, 401, "unauthenticated")


# The developer at the machine


@pytest.fixture
def developing(settings: Settings, project: Project) -> None:
    settings.DEBUG = True
    operator()


LOCAL: dict[str, Any] = {
    "REMOTE_ADDR": "127.0.0.1",
    "HTTP_HOST": "localhost:8000",
    "SERVER_PORT": "8000",
}


def ask(**environment: Any) -> Any:
    return Client().get("/api/v1/auth/me", **{**LOCAL, **environment})


@pytest.mark.usefixtures("developing")
def test_in_development_who_sits_at_the_machine_may_do_all() -> None:
    assert ask().json()["username"] == "alice"
    assert ask(REMOTE_ADDR="::1", HTTP_HOST="[::1]:8000").status_code == 200


@pytest.mark.usefixtures("developing")
@pytest.mark.parametrize(
    "environment",
    [
        {"REMOTE_ADDR": "192.0.2.7"},
        {"REMOTE_ADDR": ""},
        # A name of somebody else's that was made to lead here.
        {"HTTP_HOST": "testserver"},
        # A tunnel, or a proxy, with whoever it serves behind it.
        {"HTTP_X_FORWARDED_FOR": "192.0.2.7"},
        {"HTTP_X_REAL_IP": "192.0.2.7"},
        {"HTTP_FORWARDED": "for=192.0.2.7"},
    ],
)
def test_nobody_else_is_taken_for_them(environment: dict[str, str]) -> None:
    problem(ask(**environment), 401, "unauthenticated")


@pytest.mark.usefixtures("developing")
def test_a_token_that_is_wrong_is_wrong_in_development_too() -> None:
    problem(ask(HTTP_AUTHORIZATION="Bearer x"), 401, "unauthenticated")


def test_in_production_nobody_is(settings: Settings, project: Project) -> None:
    settings.DEBUG = False
    operator()
    settings.ALLOWED_HOSTS = ["localhost"]
    problem(ask(), 401, "unauthenticated")


def test_me_lists_only_my_projects(carol: User) -> None:
    other = ProjectFactory.create()
    MembershipFactory.create(project=other)
    projects = as_user(carol).get("/auth/me").json()["projects"]
    assert [row["name"] for row in projects] == ["default"]
