"""How often one may ask, what every answer says of it, and what a lost store does."""

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from compute import throttling
from compute.models import Project
from tests.support.api import Api, as_user, operator, problem
from tests.support.factories import MembershipFactory

ROOT = Path(__file__).parents[2]
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


@pytest.fixture(autouse=True)
def few(settings: Settings) -> Iterator[None]:
    """Three requests a minute, five polls, two logins; counted from nothing."""
    settings.RATE_LIMITS = {
        "default": "3/60 second",
        "poll": "5/60 second",
        "auth": "2/60 second",
    }
    throttling.reset()
    yield
    throttling.reset()


POLICIES = '"default";q=3;w=60, "poll";q=5;w=60, "auth";q=2;w=60'


def test_every_answer_says_what_is_left(api: Api) -> None:
    for left in (2, 1, 0):
        answer = api.get("/vms")
        assert answer.status_code == 200
        assert answer.headers["RateLimit-Policy"] == POLICIES
        assert answer.headers["RateLimit"].startswith(f'"default";r={left};t=')
    refused = api.get("/vms")
    document = problem(refused, 429, "rate-limited")
    assert document["retryable"] is True
    assert document["violated_policies"] == ["default"]
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"default";r=0;t=')


def test_errors_count_and_say_so_too(api: Api) -> None:
    assert '"default";r=2' in api.get("/vms?nonsense=1").headers["RateLimit"]
    assert '"default";r=1' in api.get("/nothing").headers["RateLimit"]


def test_who_waits_by_asking_uses_up_nothing_else(api: Api) -> None:
    for _ in range(5):
        assert '"poll"' in api.get("/operations").headers["RateLimit"]
    problem(api.get("/operations"), 429, "rate-limited")
    assert api.get("/vms").status_code == 200


def test_each_principal_has_its_own(api: Api, project: Project) -> None:
    for _ in range(4):
        api.get("/vms")
    problem(api.get("/vms"), 429, "rate-limited")
    other = as_user(MembershipFactory.create().user)
    assert other.get("/vms").status_code == 200
    # Another login of the same person is the same person.
    problem(Api().get("/vms"), 429, "rate-limited")


def test_logins_are_counted_by_address(project: Project) -> None:
    nobody, body = Api(""), {"username": "x", "password": "y"}
    for _ in range(2):
        problem(nobody.post("/auth/tokens", body), 401, "unauthenticated")
    refused = problem(nobody.post("/auth/tokens", body), 429, "rate-limited")
    assert refused["violated_policies"] == ["auth"]
    refresh = nobody.post("/auth/tokens/refresh", {"refresh": "x"})
    problem(refresh, 429, "rate-limited")


def test_wrong_tokens_are_counted_by_address(project: Project) -> None:
    guesser = Api("osl_guess")
    for _ in range(3):
        problem(guesser.get("/vms"), 401, "unauthenticated")
    problem(guesser.get("/vms"), 429, "rate-limited")
    problem(Api("").get("/vms"), 429, "rate-limited")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "is_other"),
    [
        # Nobody is believed unless a proxy is said to be there.
        (0, "192.0.2.9", False),
        (1, "192.0.2.9", True),
        # What stands left of what the proxy saw may be made up.
        (1, "198.51.100.1, 127.0.0.1", False),
        (2, "192.0.2.9, 203.0.113.1", True),
        (1, "nonsense", False),
    ],
)
def test_the_address_is_that_which_a_known_proxy_saw(
    settings: Settings, project: Project, proxies: int, forwarded: str, is_other: bool
) -> None:
    settings.REST_FRAMEWORK = {
        **django_settings.REST_FRAMEWORK,
        "NUM_PROXIES": proxies,
    }
    for _ in range(4):
        Api("").get("/vms")
    answer = Api("").get("/vms", X_Forwarded_For=forwarded)
    assert answer.status_code == (401 if is_other else 429)


def test_a_home_with_ipv6_is_one_client(project: Project) -> None:
    nobody = Api("")
    for host in range(3):
        nobody.client.get("/api/v1/vms", REMOTE_ADDR=f"2001:db8:0:1::{host}")
    near = nobody.client.get("/api/v1/vms", REMOTE_ADDR="2001:db8:0:1:ffff::1")
    far = nobody.client.get("/api/v1/vms", REMOTE_ADDR="2001:db8:0:2::1")
    assert (near.status_code, far.status_code) == (429, 401)


def test_health_is_not_counted(api: Api) -> None:
    for _ in range(5):
        answer = api.get("/health")
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


@pytest.fixture
def lost(settings: Settings) -> None:
    """A Redis that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings.RATE_LIMIT_STORE = f"redis://127.0.0.1:{port}/0"
    throttling.reset()


@pytest.mark.usefixtures("lost")
def test_a_store_that_is_down_lets_requests_pass_and_is_told_once(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="compute"):
        for _ in range(6):
            answer = api.get("/vms")
            assert answer.status_code == 200
            assert answer.headers["RateLimit-Policy"] == POLICIES
            assert "RateLimit" not in answer.headers
    assert len([r for r in caplog.records if "not counted" in r.message]) == 1


def test_a_store_that_hangs_holds_nobody_up(api: Api, settings: Settings) -> None:
    # It takes connections and says nothing.
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        settings.RATE_LIMIT_STORE = f"redis://127.0.0.1:{port}/0"
        throttling.reset()
        watchdog = threading.Timer(10, mute.close)
        watchdog.start()
        for _ in range(20):
            assert api.get("/vms").status_code == 200
        still_open = watchdog.is_alive()
        watchdog.cancel()
    assert still_open, "twenty requests took more than ten seconds"


#: One of the processes: it waits until all are there, then asks fifty times.
HIT = """
import sys, django
django.setup()
from limits import parse
from compute.throttling import _SharedStore
store = _SharedStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
item = parse("100/60 second")
answers = [store.hit(item, sys.argv[2]) for _ in range(50)]
assert None not in answers
print(sum(admitted for admitted, _, _ in answers))
"""


@pytest.mark.broker
@pytest.mark.slow
def test_eight_processes_let_exactly_the_limit_through() -> None:
    name = f"race-{os.urandom(8).hex()}"
    processes = [
        subprocess.Popen(  # noqa: S603  # our own code
            [sys.executable, "-c", HIT, REDIS_URL, name],
            cwd=ROOT,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(admitted) == 100


def test_the_operator_is_counted_as_anybody(api: Api) -> None:
    assert operator().is_superuser
    for _ in range(3):
        api.get("/vms")
    problem(api.get("/vms"), 429, "rate-limited")
