"""Clocks that differ, and two tabs that refresh at once, log nobody out."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.db import connection, connections
from django.utils import timezone
from rest_framework_simplejwt.token_blacklist.models import (
    BlacklistedToken,
    OutstandingToken,
)

from compute.events import Actor
from compute.models import Event, Login, Project, User
from compute.services import logins
from tests.support.api import Api, problem
from tests.support.factories import UserFactory

REFRESH = "/auth/tokens/refresh"
TABS = 6

Clock = time_machine.TimeMachineFixture


@pytest.fixture
def carol(project: Project) -> User:
    user: User = UserFactory.create(username="carol")
    return user


def log_in(user: User) -> logins.Tokens:
    return logins.begin_tokens(user, actor=Actor("system"), user_agent="")


def refresh(token: str) -> Any:
    return Api("").post(REFRESH, {"refresh": token})


def me(token: str) -> Any:
    return Api(token).get("/auth/me")


# A clock that is ahead


@pytest.mark.parametrize("seconds", [1, 5, 25])
def test_a_token_issued_ahead_of_our_clock_is_good(
    carol: User, time_machine: Clock, seconds: int
) -> None:
    here = timezone.now()
    time_machine.move_to(here + timedelta(seconds=seconds), tick=False)
    tokens = log_in(carol)
    time_machine.move_to(here, tick=False)
    assert me(tokens.access).status_code == 200
    assert refresh(tokens.refresh).status_code == 200


def test_a_token_from_far_ahead_is_not(carol: User, time_machine: Clock) -> None:
    here = timezone.now()
    time_machine.move_to(here + timedelta(minutes=5), tick=False)
    tokens = log_in(carol)
    time_machine.move_to(here, tick=False)
    problem(me(tokens.access), 401, "unauthenticated")


def test_the_leeway_lengthens_no_life(carol: User, time_machine: Clock) -> None:
    time_machine.move_to(timezone.now().replace(microsecond=0), tick=False)
    tokens = log_in(carol)
    for token, ends in (
        (tokens.access, tokens.access_expires_at),
        (tokens.refresh, tokens.refresh_expires_at),
    ):
        send = me if token == tokens.access else refresh
        time_machine.move_to(ends, tick=False)
        problem(send(token), 401, "token-expired")


# The same refresh token twice


def test_two_tabs_get_the_same_tokens(carol: User, time_machine: Clock) -> None:
    old = log_in(carol)
    first = refresh(old.refresh).json()
    now = timezone.now()
    for seconds in (0, 3, 9):
        time_machine.move_to(now + timedelta(seconds=seconds), tick=False)
        assert refresh(old.refresh).json() == first
    assert first["refresh"] != old.refresh
    assert me(first["access"]).status_code == 200
    assert Login.objects.get().revoked_at is None
    # Of one family: there is one token used, and one to go on with.
    assert BlacklistedToken.objects.count() == 1
    assert refresh(first["refresh"]).status_code == 200


def test_a_later_reuse_ends_the_login(carol: User, time_machine: Clock) -> None:
    old = log_in(carol)
    first = refresh(old.refresh).json()
    time_machine.move_to(timezone.now() + timedelta(seconds=11))
    problem(refresh(old.refresh), 401, "unauthenticated")
    problem(me(first["access"]), 401, "unauthenticated")
    problem(refresh(first["refresh"]), 401, "unauthenticated")
    assert Event.objects.get(type="login.revoked").details["reason"]


def test_a_token_told_again_does_not_live_longer(
    carol: User, time_machine: Clock
) -> None:
    old = log_in(carol)
    refresh(old.refresh)
    expires_at = Login.objects.get().expires_at
    time_machine.move_to(timezone.now() + timedelta(seconds=5))
    refresh(old.refresh)
    assert Login.objects.get().expires_at == expires_at


def test_after_the_log_out_nothing_is_told_again(carol: User) -> None:
    old = log_in(carol)
    new = refresh(old.refresh).json()
    assert Api("").post("/auth/tokens/revoke", {"refresh": new["refresh"]}).status_code
    problem(refresh(old.refresh), 401, "unauthenticated")


def test_one_tab_that_is_ahead_by_two_does_no_harm(carol: User) -> None:
    old = log_in(carol)
    second = refresh(old.refresh).json()
    third = refresh(second["refresh"]).json()
    # The slow tab comes with the first token, and then with what it was given.
    assert refresh(old.refresh).json() == second
    assert refresh(second["refresh"]).json() == third


def test_what_is_stored_opens_nothing(carol: User) -> None:
    old = log_in(carol)
    told = refresh(old.refresh).json()
    stored = list(OutstandingToken.objects.values())
    assert [row["token"] for row in stored] == [""]
    for secret in (told["refresh"], told["access"], old.refresh):
        assert secret.rpartition(".")[2] not in str(stored)


def test_logins_at_the_same_moment_have_tokens_of_their_own(
    carol: User, time_machine: Clock
) -> None:
    time_machine.move_to(timezone.now(), tick=False)
    one, other = log_in(carol), log_in(carol)
    told = {refresh(token).json()["refresh"] for token in (one.refresh, other.refresh)}
    assert len({one.refresh, other.refresh, one.access, other.access} | told) == 6


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_tabs_that_refresh_at_the_same_moment_stay_in() -> None:
    user = UserFactory.create(username="carol")
    old = log_in(user)
    together = Barrier(TABS)

    def tab(_: int) -> Any:
        together.wait()
        try:
            return refresh(old.refresh).json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(TABS) as pool:
        told = list(pool.map(tab, range(TABS)))
    assert all(answer == told[0] for answer in told), told
    assert me(told[0]["access"]).status_code == 200
