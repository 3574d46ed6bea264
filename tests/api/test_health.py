from collections.abc import Callable
from typing import Any

import pytest
from celery import current_app
from django.db import DatabaseError, connection
from django.test import Client

from compute.models import VM
from tests.api.client import Api, problem


def test_health_says_that_the_process_answers() -> None:
    # Without a database: pytest-django refuses access here.
    response = Client().get("/health")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


def test_ready_checks_database_and_broker_and_reports_the_clouds(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    make_vm()
    ready = api.get("/health/ready").json()
    assert ready["checks"] == {"database": "ok", "broker": "ok"}
    assert ready["clouds"]["default"]["failures"] == 0
    assert ready["clouds"]["default"]["observed_at"] is not None


def test_without_its_broker_the_service_is_not_ready(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(current_app.conf, "broker_url", "redis://127.0.0.1:1/0")
    monkeypatch.setitem(current_app.conf, "broker_read_url", "redis://127.0.0.1:1/0")
    monkeypatch.setitem(current_app.conf, "broker_write_url", "redis://127.0.0.1:1/0")
    response = api.get("/health/ready")
    document = problem(response, 503, "not-ready")
    assert document["checks"] == {"database": "ok", "broker": "unavailable"}
    assert document["retryable"] is True
    assert response.headers["Retry-After"] == "5"


def test_without_its_database_the_service_is_not_ready(api: Api) -> None:
    def fail(*args: Any) -> None:
        raise DatabaseError("gone")

    with connection.execute_wrapper(fail):
        response = api.get("/health/ready")
    document = problem(response, 503, "not-ready")
    assert document["checks"] == {"database": "unavailable", "broker": "ok"}


@pytest.mark.parametrize("path", ["/health", "/health/ready"])
def test_health_is_read_only(api: Api, path: str) -> None:
    problem(api.post(path), 405, "method-not-allowed")
    assert api.client.head(path).status_code == 200
