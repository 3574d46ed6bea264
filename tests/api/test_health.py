import resource
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from celery import current_app
from django.contrib.auth.models import Permission
from django.db import DatabaseError, connection
from django.test import Client

from compute.api import readiness
from compute.models import VM, User
from tests.support.api import Api, as_user, problem
from tests.support.factories import MembershipFactory

ALL_OK = {"database": "ok", "broker": "ok", "disk": "ok"}


@pytest.fixture(autouse=True)
def unknown() -> Iterator[None]:
    """Nothing is known yet, and of what is learned here nothing is kept."""
    readiness.forget()
    yield
    readiness.forget()


def test_health_says_that_the_process_answers() -> None:
    # Without a database: pytest-django refuses access here.
    response = Client().get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_checks_its_parts_and_reports_the_clouds_to_operators(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    make_vm()
    ready = api.get("/health/ready").json()
    assert ready["checks"] == ALL_OK
    assert ready["clouds"]["default"]["failures"] == 0
    assert ready["clouds"]["default"]["observed_at"] is not None


@pytest.mark.usefixtures("project")
def test_clouds_are_named_to_nobody_else() -> None:
    idle = User.objects.create_user("idle", is_staff=True)
    member = MembershipFactory.create(role="admin").user
    for who in (Api(""), Api("osl_nonsense"), as_user(idle), as_user(member)):
        response = who.get("/health/ready")
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "checks": ALL_OK}
    idle.user_permissions.add(Permission.objects.get(codename="view_cloud"))
    assert "clouds" in as_user(idle).get("/health/ready").json()


def test_without_its_broker_the_service_is_not_ready(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setitem(current_app.conf, "broker_read_url", "redis://127.0.0.1:1/0")
    monkeypatch.setitem(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    response = api.get("/health/ready")
    document = problem(response, 503, "not-ready")
    assert document["checks"] == {**ALL_OK, "broker": "unavailable"}
    assert document["retryable"] is True
    assert response.headers["Retry-After"] == "5"


def test_a_broker_that_hangs_holds_one_caller_for_seconds(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        for name in ("broker_url", "broker_read_url", "broker_write_url"):
            monkeypatch.setitem(current_app.conf, name, url)
        begun = time.monotonic()
        document = problem(api.get("/health/ready"), 503, "not-ready")
    assert document["checks"] == {**ALL_OK, "broker": "unavailable"}
    assert time.monotonic() - begun < 5


@pytest.mark.usefixtures("db")
def test_while_a_part_hangs_nobody_waits_for_who_asks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However old what was last known is."""
    over, asked = threading.Event(), threading.Event()

    def hang() -> None:
        asked.set()
        over.wait(30)

    monkeypatch.setattr(readiness, "PARTS", {"broker": hang})
    first = threading.Thread(target=readiness.checks)
    first.start()
    try:
        assert asked.wait(5)
        for longest in (2.0, 0.1):
            begun = time.monotonic()
            assert set(readiness.checks().values()) == {"unavailable"}
            assert time.monotonic() - begun < longest
    finally:
        over.set()
        first.join()
    assert readiness.checks() == {"broker": "ok"}


def test_without_its_database_the_service_is_not_ready(api: Api) -> None:
    def fail(*args: Any) -> None:
        raise DatabaseError("gone")

    with connection.execute_wrapper(fail):
        response = api.get("/health/ready")
    document = problem(response, 503, "not-ready")
    assert document["checks"] == {**ALL_OK, "database": "unavailable"}


def test_with_a_full_disk_the_service_is_not_ready(api: Api) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file may grow: the system refuses what it refuses on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))
    try:
        checks = readiness.checks()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert checks == {**ALL_OK, "disk": "unavailable"}
    problem(api.get("/health/ready"), 503, "not-ready")


@pytest.mark.parametrize(
    "setting", ["temp_file_limit = 0", "transaction_read_only = on"]
)
@pytest.mark.postgres
def test_a_database_that_cannot_write_is_not_available(db: None, setting: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL {setting}")
    assert readiness.checks() == {**ALL_OK, "database": "unavailable"}


def test_what_is_known_holds_for_a_second(
    api: Api, django_assert_num_queries: Any
) -> None:
    nobody = Api("")
    assert nobody.get("/health/ready").status_code == 200
    with django_assert_num_queries(0):
        assert nobody.get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_health_is_read_only(api: Api, path: str) -> None:
    problem(api.post(path), 405, "method-not-allowed")
    assert api.client.head(path).status_code == 200
