"""/health stands at the root, is counted for nobody, and logged when it fails."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from compute import throttling
from vmmanager.request_id import RequestIDMiddleware


def level_of(path: str, status: int) -> str:
    """Return the level at which a request is logged."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(status=status)

    with structlog.testing.capture_logs() as lines:
        RequestIDMiddleware(view)(RequestFactory().get(path))
    (line,) = lines
    return str(line["log_level"])


def test_a_probe_is_logged_when_it_fails(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="vmmanager.requests")
    assert level_of("/health", 200) == level_of("/health/ready", 200) == "debug"
    assert level_of("/health/ready", 503) == level_of("/health", 400) == "info"
    assert level_of("/api/v1/vms", 200) == "info"


@pytest.fixture
def few(settings: Settings) -> Iterator[None]:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, "3/60 second")
    throttling.reset()
    yield
    throttling.reset()


@pytest.mark.usefixtures("few", "db")
def test_a_probe_uses_up_nobodys_limit(client: Client) -> None:
    for _ in range(5):
        answer = client.get("/health")
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers
    # Of three there are three left, all from the same address.
    statuses = [client.get("/api/v1/vms").status_code for _ in range(4)]
    assert statuses == [401, 401, 401, 429]
