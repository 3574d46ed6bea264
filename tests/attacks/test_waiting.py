"""One client waits a lot: everybody else is served as before."""

import socket
import time
from functools import partial
from pathlib import Path

import pytest

from tests.attacks.conftest import POOL
from tests.support.deployed import command_of, free_port, run
from tests.support.serving import (
    MARKS,
    SERVERS,
    Answer,
    Crowd,
    Ground,
    Service,
    connections,
)

pytestmark = MARKS

#: Longer than anything is waited for here.
LONG = "wait=25"


def hang_up_on_waits(service: Service, operation: str, *, count: int) -> None:
    """Begin to wait for an operation, so many times, and hang up each time."""
    request = (
        f"GET /api/v1/operations/{operation} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {service.token}\r\nPrefer: {LONG}\r\n\r\n"
    )
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            connection.sendall(request.encode())
            time.sleep(0.02)


def poll(service: Service, operation: str, *, token: str) -> Answer:
    path = f"/operations/{operation}"
    return service.api("GET", path, Prefer="wait=3", token=token)


def test_thirty_four_long_polls_of_one_client_slow_nobody_down(
    service: Service, ground: Ground
) -> None:
    path = f"/operations/{service.operation()}"
    polls = Crowd()
    polls.add(34, lambda: service.api("GET", path, Prefer="wait=4"))
    time.sleep(1)
    assert service.slowest("/health") < 1
    assert service.slowest("/api/v1/vms?per_page=5") < 1
    # Of this server and the other one: two workers by WSGI, one by ASGI.
    assert connections(ground) <= 3 * POOL
    # Somebody else has places left.
    other = service.api("GET", path, Prefer="wait=1", token=ground.other_token)
    assert other.headers["Preference-Applied"] == "wait=1"
    assert 1 <= other.seconds < 3
    answers = polls.all()
    assert {answer.status for answer in answers} == {200}
    waited = [a for a in answers if "Preference-Applied" in a.headers]
    assert all(4 <= answer.seconds < 7 for answer in waited)
    at_once = [a for a in answers if "Preference-Applied" not in a.headers]
    if service.log.name.startswith("asgi"):
        assert at_once == []  # there a wait takes no thread
        return
    assert waited
    assert len(at_once) >= 18
    assert max(answer.seconds for answer in at_once) < 3


def test_a_client_that_hangs_up_frees_its_place(service: Service) -> None:
    operation = service.operation()
    hang_up_on_waits(service, operation, count=34)
    time.sleep(2)
    answer = service.api("GET", f"/operations/{operation}", Prefer="wait=1")
    assert answer.headers["Preference-Applied"] == "wait=1"
    assert answer.seconds >= 1


def test_who_stays_on_the_line_is_waited_for(service: Service, ground: Ground) -> None:
    operation = service.operation()
    crowd = Crowd()
    for token in (ground.token, ground.other_token):
        crowd.add(1, partial(poll, service, operation, token=token))
        time.sleep(0.5)
        hang_up_on_waits(service, operation, count=1)
        time.sleep(1)
    answers = crowd.all()
    assert [answer.status for answer in answers] == [200, 200]
    assert min(answer.seconds for answer in answers) >= 3


@pytest.mark.parametrize(
    ("kind", "env", "line"),
    [
        (
            "wsgi",
            {"API_MAX_WAITERS": "6"},
            "vmmanager: API_MAX_WAITERS (6) and API_MAX_CLOUD_READS (2) must leave 2 "
            "of 8 threads free",
        ),
        ("wsgi", {"API_MAX_CLOUD_READS": "8"}, "must leave 2 of 8 threads free"),
        (
            "asgi",
            {"RATE_LIMIT": "often"},
            "vmmanager: RATE_LIMIT: 'often' is not a rate",
        ),
    ],
)
def test_impossible_settings_are_refused_in_one_line(
    ground: Ground, tmp_path: Path, kind: str, env: dict[str, str], line: str
) -> None:
    command = [*SERVERS[kind], "--port", str(free_port())]
    done = run(command, {**ground.env, **env})
    assert done.returncode != 0
    assert_says_nothing_but(line, done.stderr)


def test_nothing_impossible_is_started_again(ground: Ground) -> None:
    command = command_of("api", _8000=str(free_port()))
    done = run(command, {**ground.env, "API_MAX_WAITERS": "16"})
    assert_says_nothing_but("must leave 4 of 16 threads free", done.stderr)
    assert done.stdout.count("Respawning") <= 2


def assert_says_nothing_but(line: str, stderr: str) -> None:
    said = [text for text in stderr.splitlines() if not text.startswith("[")]
    assert said
    assert all(line in text for text in said), stderr
