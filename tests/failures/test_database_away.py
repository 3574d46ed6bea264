"""PostgreSQL ends connections, or cannot be reached: the same answer everywhere."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.serving import MARKS, NEW, Answer, Crowd, Ground, Service, served
from tests.support.tcp_proxy import Proxy
from vmmanager.postgresql.base import REST

pytestmark = MARKS

#: Of nobody in particular, but looked up.
SESSION = f"sessionid={'a' * 32}"


@pytest.fixture(scope="module")
def proxy(ground: Ground) -> Iterator[Proxy]:
    at = urlsplit(ground.env["DATABASE_URL"])
    with Proxy(at.hostname or "", at.port or 5432) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def service(
    proxy: Proxy, ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    at = urlsplit(ground.env["DATABASE_URL"])
    netloc = f"{at.username}:{at.password}@127.0.0.1:{proxy.port}"
    url = at._replace(netloc=netloc).geturl()
    folder = tmp_path_factory.mktemp("away")
    with served("wsgi", ground.with_env(DATABASE_URL=url), folder) as service:
        yield service
    assert service.complaints() == []


def terminate_backends(ground: Ground) -> int:
    ending = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(ground.env["DATABASE_URL"]) as connection:
        row = connection.execute(ending).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def begun(service: Service, ground: Ground, *, count: int) -> Iterator[Crowd]:
    """Have VMs created for clients that wait; go on once all of them are committed."""
    with psycopg.connect(ground.env["DATABASE_URL"], autocommit=True) as database:

        def vms() -> int:
            row = database.execute("SELECT count(*) FROM compute_vm").fetchone()
            assert row is not None
            return int(row[0])

        before, creates = vms(), Crowd()
        creates.add(count, lambda: service.api("POST", "/vms", NEW, Prefer="wait=4"))
        deadline = time.monotonic() + 20
        while vms() < before + count:
            assert time.monotonic() < deadline, creates.answers
            time.sleep(0.02)
    yield creates
    creates.all()


def is_told(answer: Answer) -> bool:
    """Whether an answer says that the database is unavailable, and when to come back."""
    return (
        answer.status == 503
        and answer.body["code"] == "database-unavailable"
        and answer.body["retryable"] is True
        and answer.headers["Retry-After"] == "5"
    )


@contextmanager
def cut(proxy: Proxy) -> Iterator[None]:
    """Have the database away for the time of the block."""
    proxy.cut()
    try:
        yield
    finally:
        proxy.join()
    time.sleep(REST)  # after which its absence is no longer taken for granted


def test_creates_that_wait_outlive_the_connections_of_the_database(
    service: Service, ground: Ground
) -> None:
    with begun(service, ground, count=9) as creates:
        assert terminate_backends(ground)
    for answer in creates.answers:
        assert answer.status == 202, answer.text
        assert "Operation-Location" in answer.headers
        vm = answer.body["id"]
        assert service.api("GET", f"/vms/{vm}").body["status"] == "BUILD"


def test_ended_connections_cost_no_request_its_answer(
    service: Service, ground: Ground
) -> None:
    for _ in range(2):
        crowd = Crowd()
        crowd.add(8, lambda: service.api("GET", "/vms?per_page=1"))
        assert {answer.status for answer in crowd.all()} == {200}
        terminate_backends(ground)


def test_who_cannot_be_answered_is_told_so_everywhere(
    service: Service, proxy: Proxy, ground: Ground
) -> None:
    with begun(service, ground, count=2) as creates, cut(proxy):
        first = service.api("GET", "/vms")
        assert is_told(first)
        assert first.seconds < 3
        for method, path in (
            ("GET", "/api/v1/vms"),
            ("GET", "/api/v1/nothing"),
            ("GET", "/nothing"),
            ("GET", "/admin/"),
            ("POST", "/api/v1/auth/tokens"),
        ):
            body = {"username": "olga", "password": "x"} if method == "POST" else None
            answer = service.call(method, path, body, Cookie=SESSION)
            assert is_told(answer), (path, answer.text)
        creates.all()
    # Those that waited have been taken on.
    for answer in creates.answers:
        assert (answer.status, answer.body["status"]) == (202, "BUILD")
        assert "Operation-Location" in answer.headers


def test_threads_are_left_for_what_needs_no_database(
    service: Service, proxy: Proxy
) -> None:
    crowd, end = Crowd(), time.monotonic() + 3

    def ask_on() -> Answer:
        while time.monotonic() < end:
            answer = service.api("GET", "/vms")
        return answer

    with cut(proxy):
        crowd.add(34, ask_on)
        assert service.slowest("/health", times=10, pause=0.2) < 2
        assert all(is_told(answer) for answer in crowd.all())


def test_it_is_back_as_soon_as_the_database_is(service: Service, proxy: Proxy) -> None:
    with cut(proxy):
        crowd = Crowd()
        crowd.add(8, lambda: service.api("GET", "/vms"))
        assert all(is_told(answer) for answer in crowd.all())
    # By each process, and for all who ask at once.
    crowd = Crowd()
    crowd.add(16, lambda: service.api("GET", "/vms"))
    assert {answer.status for answer in crowd.all()} == {200}
