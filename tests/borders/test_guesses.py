"""Guesses at a password get slower for who guesses, and lock nobody else out."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from compute import throttling
from compute.models import Event, Login, User
from compute.services import guesses
from tests.support.factories import LoginFactory

RIGHT = "correct-horse-9"  # pragma: allowlist secret
HOME, ATTIC = "198.51.100.7", "203.0.113.9"

pytestmark = pytest.mark.once


@pytest.fixture
def vera(db: None) -> User:
    user: User = User.objects.create_user("vera", password=RIGHT)
    return user


@pytest.fixture
def clock(
    time_machine: time_machine.TimeMachineFixture,
) -> Callable[[float], None]:
    """Let seconds pass; none pass otherwise."""
    now = [timezone.now()]
    time_machine.move_to(now[0], tick=False)

    def wait(seconds: float) -> None:
        now[0] += timedelta(seconds=seconds)
        time_machine.move_to(now[0], tick=False)

    return wait


def log_in(address: str, password: str = "no", username: str = "vera") -> Any:  # noqa: S107
    body = {"username": username, "password": password}
    return Client().post(
        "/api/v1/auth/tokens", body, "application/json", REMOTE_ADDR=address
    )


def far(number: int) -> str:
    """Return an address of one of many networks."""
    return f"2001:db8:{number:x}::1"


def attack(count: int, start: int = 0) -> list[int]:
    return [log_in(far(start + n)).status_code for n in range(count)]


def test_failures_of_one_network_slow_it_down(
    vera: User, clock: Callable[[float], None]
) -> None:
    waits = []
    for _ in range(30):
        answer = log_in(ATTIC)
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
            clock(waits[-1] + 0.1)
    assert waits[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(waits[7:]) == {guesses.LONGEST}


def test_the_first_failures_cost_nothing(vera: User) -> None:
    for _ in range(guesses.FREE - 1):
        assert log_in(ATTIC).status_code == 401
    assert log_in(ATTIC, RIGHT).status_code == 200
    # And they are forgotten then.
    for _ in range(guesses.FREE - 1):
        assert log_in(ATTIC).status_code == 401
    assert log_in(ATTIC, RIGHT).status_code == 200


def test_who_guesses_from_many_networks_is_slowed_down_by_account(vera: User) -> None:
    codes = attack(50)
    assert codes[: guesses.FREE] == [401] * guesses.FREE
    assert codes[guesses.FREE :] == [429] * (50 - guesses.FREE)


def test_the_owner_is_not_locked_out_at_home(vera: User) -> None:
    LoginFactory.create(user=vera, address=HOME)
    attack(50)
    assert log_in(HOME, RIGHT).status_code == 200


def test_the_owner_waits_once_at_a_new_place_whatever_an_attacker_does(
    vera: User, clock: Callable[[float], None]
) -> None:
    attack(40)
    first = log_in(HOME, RIGHT)
    assert first.status_code == 429
    wait = int(first.headers["Retry-After"])
    assert 0 < wait <= guesses.LONGEST
    attack(40, start=1000)  # meanwhile
    clock(wait + 0.1)
    attack(40, start=2000)
    assert log_in(HOME, RIGHT).status_code == 200


def test_asking_again_too_early_does_not_lengthen_the_wait(
    vera: User, clock: Callable[[float], None]
) -> None:
    attack(10)
    wait = int(log_in(HOME, RIGHT).headers["Retry-After"])
    for _ in range(wait):
        assert log_in(HOME, RIGHT).status_code == 429
        clock(1)
    clock(0.1)
    assert log_in(HOME, RIGHT).status_code == 200


def test_a_name_that_is_nobodys_is_answered_alike(vera: User) -> None:
    for username in ("vera", "nemo"):
        answers = [log_in(far(n), username=username) for n in range(8)]
        assert [a.status_code for a in answers] == [401] * 5 + [429] * 3, username


def test_other_accounts_are_not_slowed_down(vera: User) -> None:
    User.objects.create_user("bob", password=RIGHT)
    for _ in range(20):
        log_in(ATTIC)
    assert log_in(ATTIC, RIGHT, "bob").status_code == 200


def test_the_page_of_the_console_counts_the_same(vera: User) -> None:
    attack(10)
    form = {"username": "vera", "password": RIGHT}
    page = Client(headers={"Accept": "text/html"}).post("/admin/login/", form)
    assert page.status_code == 429
    assert int(page.headers["Retry-After"]) > 0
    assert "Too many failed logins" in page.content.decode()
    assert not Login.objects.exists()


def test_a_failure_is_an_event_once_a_minute(
    vera: User, clock: Callable[[float], None]
) -> None:
    for _ in range(3):
        log_in(ATTIC)
    for number in range(20):
        log_in(ATTIC, username=f"secret-{number}")
    told = [event.details for event in Event.objects.all()]
    assert sorted(told, key=len) == [{}, {"username": "vera"}]
    clock(61)
    log_in(HOME)
    newest = Event.objects.latest("created_at")
    assert newest.details == {"username": "vera", "repeated": 2}


def test_the_wait_is_no_wait_of_ours(vera: User) -> None:
    attack(10)
    began = datetime.now().astimezone()
    attack(10)
    assert datetime.now().astimezone() - began < timedelta(seconds=5)


def test_a_counter_that_is_down_lets_the_owner_in(
    vera: User, settings: Settings
) -> None:
    attack(10)
    settings.RATE_LIMIT_STORE = "redis://127.0.0.1:1/0"
    throttling.reset()
    assert log_in(HOME, RIGHT).status_code == 200


def test_the_own_password_is_guessed_no_faster(vera: User) -> None:
    User.objects.filter(pk=vera.pk).update(is_staff=True)
    client = Client(headers={"Accept": "text/html"})
    client.force_login(vera)
    # pragma: allowlist nextline secret
    form = {"old_password": "wrong", "new_password1": "x", "new_password2": "x"}
    pages = [
        client.post("/admin/password_change/", form).content.decode() for _ in range(8)
    ]
    assert "Too many failed logins" in pages[-1]
    assert "Too many failed logins" not in pages[0]
