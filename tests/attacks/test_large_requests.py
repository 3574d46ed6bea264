"""What is large in a request makes neither a large answer nor a slow one."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.attacks.conftest import Front
from tests.support.deployed import COMPOSE
from tests.support.slow_clients import (
    PROMPT,
    answers,
    bearer,
    connected,
    many,
    post,
    request,
    send,
    watching,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.once,  # it brings its own database
    # One service for all of them, so one test process.
    pytest.mark.xdist_group("attacks"),
]

#: Nearly as much as a body may have, in fields that nobody knows.
FIELDS = 23_000
UNKNOWN = "{" + ",".join(f'"{n:06}":0' for n in range(FIELDS)) + "}"
JSON = "Content-Type: application/json"


def resident(port: int) -> int:
    """Return the bytes of memory that the processes of a server hold."""
    pages = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(port) in (folder / "cmdline").read_text().split("\0"):
                pages += int((folder / "statm").read_text().split()[1])
        except OSError:
            continue  # it has ended
    return pages * 4096


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_23000_errors_are_told_as_50(front: Front, accept: str) -> None:
    sent = post("/api/v1/vms", UNKNOWN, JSON, bearer(front.admin), f"Accept: {accept}")
    with watching(front.api) as watch, ThreadPoolExecutor(32) as pool:
        begun = time.monotonic()
        told = list(pool.map(lambda _: send(front.api, sent), range(96)))
        seconds = time.monotonic() - begun
    assert {answer.status for answer in told} <= {400, 408}
    refused = [answer for answer in told if answer.status == 400]
    assert max(len(answer.body) for answer in refused) < 64_000
    # Of the gigabyte that compose.yaml gives it.
    assert COMPOSE["services"]["api"]["mem_limit"] == "1g"
    assert resident(front.api) < 900_000_000
    assert seconds < 10
    assert watch.worst < 2 * PROMPT
    if accept == "application/json":
        document = refused[0].document
        assert len(document["errors"]) == 50
        assert document["more_errors"] == FIELDS - 50


def test_a_reader_is_refused_before_the_body_is_read(front: Front) -> None:
    sent = post("/api/v1/vms", "{", JSON, bearer(front.reader), length=250_000)
    with many(24, front.api, sent) as clients:
        told = answers(clients, seconds=5)
    assert [(answer.status, answer.code) for answer in told] == [
        (403, "permission-denied")
    ] * 24


HEADERS = [
    "Prefer: wait=1, " + "a" * 12_000 + '"',
    "Prefer: " + "a" * 300_000 + '"',
    'If-Match: "' + "a" * 9_000,
    "Idempotency-Key: " + "k" * 9_000,
    "Accept: " + "a/b," * 3_000,
    "Content-Type: a/b" + ";" * 300,
    "Cookie: " + "a=b;" * 3_000,
    "X-Request-ID: " + "r" * 9_000,
    "X-Forwarded-For: " + "198.51.100.7, " * 700,
    "Authorization: Bearer " + "t" * 9_000,
    "User-Agent: " + "u" * 9_000,
    "\r\n".join(f"X-Filler-{n}: {'f' * 8_000}" for n in range(5)),
    # One header, sent several times.
    "\r\n".join(["Prefer: " + "p" * 3_000] * 3),
]


#: What each serves.
PATHS = {"api": "/api/v1/vms", "stream": "/api/v1/events/stream"}


@pytest.mark.parametrize("server", ["api", "stream"])
@pytest.mark.parametrize("headers", HEADERS, ids=lambda text: text.partition(":")[0])
def test_headers_that_are_too_large_are_refused(
    front: Front, server: str, headers: str
) -> None:
    port: int = getattr(front, server)
    told = send(port, request("GET", "/api/v1/vms", headers))
    assert told.status == 431
    if len(headers) < 64_000:  # what is larger the server itself refuses
        assert told.code == "header-too-large"
        assert told.headers["x-request-id"].startswith("req-")


@pytest.mark.parametrize("server", ["api", "stream"])
def test_headers_as_large_as_may_be_are_taken(front: Front, server: str) -> None:
    fillers = [f"X-Filler-{n}: {'f' * 8_000}" for n in range(3)]
    told = send(
        getattr(front, server),
        request(
            "GET",
            "/health/ready" if server == "stream" else PATHS[server],
            bearer(front.reader),
            "Prefer: " + "p" * 7_900,
            *fillers,
        ),
    )
    assert told.status == 200


@pytest.mark.parametrize("server", ["api", "stream"])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("name=" + "n" * 9_000, 414, "uri-too-long"),
        ("&".join(["a"] * 5_000), 414, "uri-too-long"),
        ("&".join(["a"] * 2_000), 400, "bad-request"),
        ("&".join(f"a{n}" for n in range(900)), 400, "validation-error"),
    ],
)
def test_queries_are_refused_at_once(
    front: Front, server: str, query: str, status: int, code: str
) -> None:
    begun = time.monotonic()
    told = send(
        getattr(front, server),
        request("GET", f"{PATHS[server]}?{query}", bearer(front.reader)),
    )
    assert (told.status, told.code) == (status, code)
    assert len(told.body) < 16_000
    assert time.monotonic() - begun < PROMPT


@pytest.mark.parametrize("server", ["api", "stream"])
def test_http_2_with_its_own_limits_is_not_spoken(front: Front, server: str) -> None:
    with connected(getattr(front, server)) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        assert client.recv(9)[3:4] != b"\4", "it answers with its own settings"


def test_slow_headers_hold_no_thread(front: Front) -> None:
    begun = b"GET /health HTTP/1.1\r\nHost: vm.example.org\r\nX-Slow: "
    with watching(front.api) as watch, many(200, front.api, begun):
        time.sleep(1)
    assert watch.worst < PROMPT


def test_headers_that_are_hard_to_parse_stop_nobody(front: Front) -> None:
    sent = request(
        "GET",
        "/api/v1/vms",
        bearer(front.reader),
        "Prefer: " + "a" * 8_000 + '"',
        'Cookie: a="' + '\\"' * 4_000,
        "Accept: " + 'a;b="' * 1_600,
    )
    with watching(front.api) as watch, ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda _: send(front.api, sent), range(32)))
    assert {answer.status for answer in told} == {406}
    assert watch.worst < PROMPT


def test_a_crowd_that_asks_for_the_description_is_counted(front: Front) -> None:
    told = send(front.api, request("GET", "/api/v1/schema"))
    assert told.status == 200
    assert 'default";r=' in told.headers["ratelimit"]
    known = request("GET", "/api/v1/schema", f"If-None-Match: {told.headers['etag']}")
    with watching(front.api) as watch, ThreadPoolExecutor(8) as pool:
        again = list(pool.map(lambda _: send(front.api, known), range(100)))
    assert {answer.status for answer in again} == {304}
    assert watch.worst < PROMPT


def test_a_crowd_that_asks_whether_all_is_ready_opens_no_connections(
    front: Front,
) -> None:
    import redis

    broker = redis.Redis.from_url(front.redis_url)
    before = broker.info("stats")["total_connections_received"]
    with ThreadPoolExecutor(8) as pool:
        begun = time.monotonic()
        told = list(
            pool.map(
                lambda _: send(front.api, request("GET", "/health/ready")), range(147)
            )
        )
        seconds = time.monotonic() - begun
    opened = broker.info("stats")["total_connections_received"] - before
    broker.close()
    assert {answer.status for answer in told} == {200}
    assert "clouds" not in told[0].document
    # In each of two processes one for each second.
    assert opened <= 2 * (seconds + 2)
