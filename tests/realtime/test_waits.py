"""`Prefer: wait` where the server has a loop: whoever waits has no thread."""

import json
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.deployed import POSTGRES_URL, new_database, new_redis, run
from tests.support.serving import (
    NEW,
    STREAM_MARKS,
    Crowd,
    Ground,
    Service,
    prepared,
    served,
    session_of,
    shell,
)

pytestmark = STREAM_MARKS

SERVERS = ("asgi", "asginl", "uvicorn", "runserver")
WAITERS = 300
#: Of a server that nobody asks for anything, and those that a few requests start.
FEW_THREADS = 40
#: Do what is to be done; it says nothing.
DRAIN = "from tests.conftest import drain_all; drain_all()"


@pytest.fixture(scope="module", params=SERVERS)
def server(
    request: pytest.FixtureRequest,
    ground: Ground,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("waits")
    with served(request.param, ground, folder) as service:
        yield service
    assert service.complaints() == []


def threads(service: Service) -> int:
    """Return how many threads the server has, with its workers."""
    pids = [service.process.pid]
    for pid in pids:
        for task in Path(f"/proc/{pid}/task").iterdir():
            pids += map(int, (task / "children").read_text().split())
    return sum(len(list(Path(f"/proc/{pid}/task").iterdir())) for pid in pids)


@contextmanager
def waiting(
    service: Service, operation: str, *, count: int
) -> Iterator[list[socket.socket]]:
    """Have many wait for an operation for the time of the block."""
    request = (
        f"GET /api/v1/operations/{operation} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {service.token}\r\nPrefer: wait=25\r\n"
        "Connection: close\r\n\r\n"
    )
    with ExitStack() as stack:
        clients = []
        for number in range(count):
            client = socket.create_connection(("127.0.0.1", service.port), timeout=30)
            stack.enter_context(client)
            client.sendall(request.encode())
            clients.append(client)
            if number % 10 == 0:
                time.sleep(0.05)  # a thread each, for as long as it takes to begin
        yield clients


def answer(client: socket.socket) -> tuple[str, str]:
    """Return the head of an answer, and its body."""
    text = b""
    while data := client.recv(65536):
        text += data
    head, _, body = text.decode().partition("\r\n\r\n")
    return head, body


def test_hundreds_wait_without_a_thread(server: Service) -> None:
    operation = server.operation()
    with waiting(server, operation, count=WAITERS) as clients:
        time.sleep(3)
        assert threads(server) < FEW_THREADS
        assert server.slowest("/api/v1/vms?per_page=5") < 1
        assert (
            server.api("POST", f"/operations/{operation}/actions/cancel").status < 300
        )
        begun = time.monotonic()
        answers = [answer(client) for client in clients]
        assert time.monotonic() - begun < 15
    ids = set()
    for head, body in answers:
        assert head.startswith("HTTP/1.1 200")
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        assert headers["preference-applied"] == "wait=25"
        assert json.loads(body)["status"] == "CANCELLED"
        ids.add(headers["x-request-id"])
    assert len(ids) == WAITERS


def test_a_write_is_answered_with_its_end(server: Service, ground: Ground) -> None:
    with _answered(server, ground, "POST", "/vms", NEW) as crowd:
        pass
    (made,) = crowd.all()
    assert (made.status, made.body["status"]) == (201, "ACTIVE"), made.text
    assert made.headers["Preference-Applied"] == "wait=25"
    vm = f"/vms/{made.body['id']}"
    # Who queues for what is busy waits twice: for that, and for its own end.
    assert server.api("POST", f"{vm}/actions/stop").status == 202
    with _answered(server, ground, "POST", f"{vm}/actions/start") as crowd:
        time.sleep(1)
        shell(ground.env, DRAIN)
    (started,) = crowd.all()
    assert (started.status, started.body["status"]) == (200, "ACTIVE"), started.text
    # And what is gone then is shown, too.
    with _answered(server, ground, "DELETE", vm) as crowd:
        pass
    (gone,) = crowd.all()
    assert (gone.status, gone.body["status"]) == (200, "DELETED"), gone.text
    assert server.api("GET", vm).status == 404


@contextmanager
def _answered(
    service: Service, ground: Ground, method: str, path: str, body: Any = None
) -> Iterator[Crowd]:
    """Send what waits for its end, do something, and end its operation once it is there."""
    before = _newest(service)
    crowd = Crowd()
    crowd.add(1, lambda: service.api(method, path, body, Prefer="wait=25"))
    yield crowd
    give_up = time.monotonic() + 20
    while _newest(service) == before:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    shell(ground.env, DRAIN)


def _newest(service: Service) -> str:
    operations = service.api("GET", "/operations?per_page=1").body["results"]
    return str(operations[0]["id"]) if operations else ""


def test_a_wait_ends_in_its_time_with_what_there_is(server: Service) -> None:
    made = server.api("POST", "/vms", NEW, Prefer="wait=1", X_Request_ID="not ours")
    assert (made.status, made.headers["Preference-Applied"]) == (202, "wait=1")
    assert 1 <= made.seconds < 5
    busy = server.api("POST", f"/vms/{made.body['id']}/actions/stop", Prefer="wait=1")
    assert (busy.status, busy.body["code"]) == (409, "operation-in-progress"), busy.text
    assert 1 <= busy.seconds < 5
    cursor = server.api("GET", "/vms").headers["Event-Cursor"]
    events = server.api("GET", f"/events?after={cursor}", Prefer="wait=1")
    assert (events.status, events.body["results"]) == (200, [])
    assert 1 <= events.seconds < 5
    lines = _lines(server)
    # One line for each, of which the time is that of the whole.
    waited = [line for line in lines if made.headers["X-Request-Id"] in line]
    assert len(waited) == 1
    assert f"{made.status}" in waited[0]


def test_the_next_event_ends_a_wait_for_it(server: Service) -> None:
    cursor = server.api("GET", "/vms").headers["Event-Cursor"]
    crowd = Crowd()
    path = f"/events?after={cursor}&type=keypair.*"
    crowd.add(3, lambda: server.api("GET", path, Prefer="wait=20"))
    time.sleep(1)
    server.operation()  # of another type
    time.sleep(1)
    assert (
        server.api("POST", "/keypairs", {"name": f"k{time.monotonic_ns()}"}).status
        == 201
    )
    for told in crowd.all():
        assert [event["type"] for event in told.body["results"]] == ["keypair.created"]
        assert told.seconds < 10


def test_who_hangs_up_leaves_a_place(ground: Ground, tmp_path: Path) -> None:
    env = ground.with_env(API_MAX_PARKED_WAITERS="4")
    with served("uvicorn", env, tmp_path) as service:
        operation = service.operation()
        path = f"/operations/{operation}"
        for _ in range(3):
            with waiting(service, operation, count=2):
                time.sleep(0.5)
                refused = service.api("GET", path, Prefer="wait=5")
                assert "Preference-Applied" not in refused.headers
                assert refused.seconds < 2
            time.sleep(0.5)
        assert service.complaints() == []


@pytest.mark.parametrize("kind", SERVERS)
def test_a_server_that_stops_answers_them(
    kind: str, ground: Ground, tmp_path: Path
) -> None:
    with served(kind, ground, tmp_path) as service:
        operation = service.operation()
        with waiting(service, operation, count=20) as clients:
            time.sleep(1)
            begun = time.monotonic()
            service.process.terminate()
            for client in clients:
                head, body = answer(client)
                assert head.startswith("HTTP/1.1 200"), head
                assert json.loads(body)["id"] == operation
        service.process.wait(timeout=10)
        assert time.monotonic() - begun < 8
        assert service.complaints() == []


def test_who_hangs_up_has_a_line_in_the_log(server: Service) -> None:
    id = f"req-{uuid.uuid4()}"
    body = json.dumps(NEW)
    request = (
        f"POST /api/v1/vms HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-ID: {id}\r\n"
        f"Authorization: Bearer {server.token}\r\nPrefer: wait=20\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(request.encode())
        time.sleep(1)
        assert id not in "".join(_lines(server))
    give_up = time.monotonic() + 10
    while not [line for line in _lines(server) if id in line]:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    time.sleep(0.5)
    (line,) = [line for line in _lines(server) if id in line]
    assert "202" in line


def _lines(service: Service) -> list[str]:
    """Return what the log says of requests that were answered."""
    lines = service.log.read_text().splitlines()
    return [line for line in lines if "duration_ms" in line]


def test_what_is_done_is_told_though_the_session_cannot_be_read(tmp_path: Path) -> None:
    with new_database() as database_url, new_redis(tmp_path) as redis_url:
        ground = prepared(tmp_path, database_url=database_url, redis_url=redis_url)
        env = ground.with_env(API_MAX_PARKED_WAITERS="2")  # one for each user
        cookie = f"{session_of(ground.env, 'olga')}; csrftoken={'a' * 32}"
        headers = {"Cookie": cookie, "X_CSRFToken": "a" * 32, "Prefer": "wait=4"}
        with served("uvicorn", env, tmp_path) as service:
            crowd = Crowd()
            crowd.add(1, lambda: service.api("POST", "/vms", NEW, **headers))
            time.sleep(1.5)
            with away(database_url):
                (told,) = crowd.all()
            assert told.status == 202, told.text
            assert told.headers["Operation-Location"]
            path = f"/operations/{told.body['operation_id']}"
            give_up = time.monotonic() + 20
            while service.api("GET", path).status != 200:  # its pool connects again
                assert time.monotonic() < give_up
                time.sleep(0.2)
            # And its place is free.
            again = service.api("GET", path, Prefer="wait=1")
            assert again.headers.get("Preference-Applied") == "wait=1"


@contextmanager
def away(database_url: str) -> Iterator[None]:
    """Have nobody connect to a database for the time of the block."""
    name = urlsplit(database_url).path.removeprefix("/")
    database = sql.Identifier(name)
    allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(allow.format(database, sql.SQL("false")))
        connection.execute(end, [name])
        try:
            yield
        finally:
            connection.execute(allow.format(database, sql.SQL("true")))


#: Begins and ends waits, while signals come all the time.
_SIGNALLED = """
import signal, time
import django
django.setup()
from django.test import RequestFactory
from compute.engine import waiting
from compute.models import User
request = RequestFactory().get("/")
request.user = User(pk=1)
signal.signal(signal.SIGALRM, lambda *_: waiting.end_all())
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
give_up = time.monotonic() + 3
while time.monotonic() < give_up:
    with waiting.place(request):
        pass
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_page_of_the_browsable_api_waits_too(ground: Ground, tmp_path: Path) -> None:
    secret = "a" * 32
    collect = [sys.executable, "manage.py", "collectstatic", "--no-input"]
    env = ground.with_env(STATIC_ROOT=str(tmp_path / "static"))
    assert run(collect, env.env).returncode == 0
    cookie = f"{session_of(ground.env, 'olga')}; csrftoken={secret}"
    headers = {"Cookie": cookie, "X_CSRFToken": secret, "Accept": "text/html"}
    with served("uvicorn", env, tmp_path) as service:
        answer = service.api("POST", "/vms", NEW, Prefer="wait=1", **headers)
        assert answer.status == 202, answer.text
        assert answer.headers["Preference-Applied"] == "wait=1"
        assert answer.headers["Content-Type"].startswith("text/html")
        assert "default-src" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert NEW["name"] in answer.text
        assert "olga" in answer.text  # who is logged in
        assert service.complaints() == []


def test_a_signal_may_come_while_a_wait_begins_or_ends(ground: Ground) -> None:
    """Its handler runs in the very thread that is at it, and ends all waits."""
    env = ground.with_env(DJANGO_SETTINGS_MODULE="vmmanager.settings").env
    done = run([sys.executable, "-c", _SIGNALLED], env)
    assert done.returncode == 0, done.stderr
