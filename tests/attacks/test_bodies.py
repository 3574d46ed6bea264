"""No body, slow, large or strange, keeps the service from anybody else."""

import re
import time
from contextlib import ExitStack

import pytest

from tests.attacks.conftest import BODY_SECONDS, Front
from tests.support.slow_clients import (
    PROMPT,
    answer,
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

JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
#: What made it past the check for a cookie, and had the body read.
COOKIE = f"Cookie: csrftoken={'a' * 32}"
ORIGIN = "Origin: https://vm.example.org"
MULTIPART = "Content-Type: multipart/form-data; boundary=x"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v1/vms", (JSON,)),
        ("/api/v1/vms", (FORM, "Accept: text/html", COOKIE)),
        ("/api/v1/vms", (JSON, "Authorization: Bearer osl_nonsense")),
        ("/admin/compute/vm/", (FORM, COOKIE, ORIGIN)),
        ("/admin/compute/vm/", (MULTIPART, f"{COOKIE}; sessionid=x", ORIGIN)),
        ("/admin/logout/", (FORM, COOKIE, ORIGIN)),
        ("/admin/nothing", (FORM, COOKIE, ORIGIN)),
    ],
)
def test_who_has_no_key_is_answered_without_their_body(
    front: Front, path: str, headers: tuple[str, ...]
) -> None:
    slow = post(path, "{", *headers, length=1000)
    with watching(front.api) as watch, many(24, front.api, slow) as clients:
        begun = time.monotonic()
        statuses = {answer(client).status for client in clients}
        seconds = time.monotonic() - begun
    assert statuses <= {302, 401, 404}, statuses
    assert seconds < BODY_SECONDS
    assert watch.worst < PROMPT


def test_slow_bodies_of_a_member_hold_few_threads(front: Front) -> None:
    slow = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000)
    quick = post("/api/v1/vms", "{}", JSON, bearer(front.admin))
    with watching(front.api) as watch, many(24, front.api, slow) as clients:
        begun = time.monotonic()
        elsewhere = send(front.api, quick, source="127.0.0.2")
        assert time.monotonic() - begun < PROMPT
        refused = answers(clients, seconds=2)
    assert elsewhere.code == "validation-error"
    # In each of two processes one address has one.
    assert len(refused) == 22
    assert {(told.status, told.code) for told in refused} == {(408, "request-timeout")}
    assert watch.worst < PROMPT


def test_four_addresses_hold_few_threads_too(front: Front) -> None:
    slow = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000)
    with ExitStack() as stack:
        watch = stack.enter_context(watching(front.api))
        for number in range(1, 5):
            source = f"127.0.0.{number}"
            stack.enter_context(many(24, front.api, slow, source=source))
        time.sleep(2)
        vms = request("GET", "/api/v1/vms", bearer(front.reader))
        begun = time.monotonic()
        assert send(front.api, vms).status == 200
        assert time.monotonic() - begun < PROMPT
    assert watch.seconds[-1] < PROMPT


def test_a_body_that_comes_a_little_late_is_read(front: Front) -> None:
    late = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=2)
    with connected(front.api) as client:
        client.sendall(late)
        time.sleep(BODY_SECONDS / 2)
        client.sendall(b"}")
        assert answer(client).code == "validation-error"


def test_who_hangs_up_in_a_body_leaves_nothing_behind(front: Front) -> None:
    slow = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000)
    for _ in range(3):
        with many(24, front.api, slow):
            pass
    quick = post("/api/v1/vms", "{}", JSON, bearer(front.admin))
    time.sleep(0.5)
    assert {send(front.api, quick).code for _ in range(8)} == {"validation-error"}


@pytest.mark.parametrize("server", ["api", "stream"])
def test_who_hangs_up_is_no_defect_of_ours(front: Front, server: str) -> None:
    log = front.logs / f"{server}.log"
    before = len(log.read_text())
    port: int = getattr(front, server)
    for sent in (
        post("/admin/login/", "u", FORM, COOKIE, ORIGIN, length=1000),
        post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000),
    ):
        with connected(port) as client:
            client.sendall(sent)
            time.sleep(0.2)
    time.sleep(0.5)
    said = log.read_text()[before:]
    assert not re.search("(?i)error|traceback", said), said


def test_slow_logins_are_counted_before_they_are_read(front: Front) -> None:
    slow = post("/admin/login/", "u", FORM, COOKIE, ORIGIN, length=1000)
    tokens = post("/api/v1/auth/tokens", "{", JSON, length=1000)
    with (
        watching(front.api) as watch,
        many(12, front.api, slow) as browsers,
        many(12, front.api, tokens) as programs,
    ):
        told = answers([*browsers, *programs], seconds=3)
    # At most ten a minute go on, of which one in each process waits for its form.
    statuses = [answer.status for answer in told]
    assert statuses.count(429) >= 14, statuses
    assert len(statuses) >= 22
    assert watch.worst < PROMPT


@pytest.mark.parametrize("server", ["api", "stream"])
@pytest.mark.parametrize(
    "headers", [(JSON,), (MULTIPART, COOKIE, ORIGIN)], ids=["json", "multipart"]
)
def test_what_is_too_large_is_refused_unread(
    front: Front, server: str, headers: tuple[str, ...]
) -> None:
    port: int = getattr(front, server)
    begun = time.monotonic()
    told = send(port, post("/admin/login/", "", *headers, length=300_000_000))
    assert (told.status, told.code) == (413, "payload-too-large")
    assert time.monotonic() - begun < PROMPT
    assert told.headers["x-request-id"].startswith("req-")


@pytest.mark.parametrize(("server", "status"), [("api", 411), ("stream", 413)])
def test_a_body_without_a_length_is_not_collected(
    front: Front, server: str, status: int
) -> None:
    chunk = f"{65536:x}\r\n{'x' * 65536}\r\n".encode()
    with connected(getattr(front, server)) as client:
        client.sendall(request("POST", "/api/v1/vms", "Transfer-Encoding: chunked"))
        try:
            for _ in range(32):
                client.sendall(chunk)
        except OSError:
            pass  # refused by then
        assert answer(client).status == status


def test_slow_bodies_do_not_hold_a_stream(front: Front) -> None:
    slow = post("/api/v1/vms", "{", JSON, length=1000)
    with watching(front.stream) as watch, many(100, front.stream, slow) as clients:
        begun = time.monotonic()
        codes = {answer(client).code for client in clients}
        seconds = time.monotonic() - begun
    assert codes == {"request-timeout"}
    assert BODY_SECONDS / 2 < seconds < BODY_SECONDS + 2 * PROMPT
    assert watch.worst < PROMPT


def test_slow_readers_hold_no_thread(front: Front) -> None:
    script = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    # Asked for so often that the system's own buffers cannot hold the answers.
    wanted = request("GET", script) * 20
    with (
        watching(front.api) as watch,
        many(24, front.api, wanted, window=2048) as clients,
    ):
        time.sleep(2)
        assert len(answer(clients[0]).body) > 1_000_000
    assert watch.worst < PROMPT
