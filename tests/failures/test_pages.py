"""What a browser sees while the database is unavailable."""

import logging
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from pytest_django import Settings

from vmmanager.logs import shorten

PAGES = ("/", "/nothing", "/admin/", "/admin/login/", "/api/v1/vms", "/api/v1/nothing")


def refuse(*_: Any) -> None:
    raise OperationalError("server closed the connection unexpectedly")


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.django_db
def test_every_page_says_so(
    settings: Settings, caplog: pytest.LogCaptureFixture, debug: bool
) -> None:
    settings.DEBUG = debug
    # Not told by exceptions, as the client of the tests would.
    client = Client(raise_request_exception=False, headers={"Accept": "text/html"})
    client.cookies[settings.SESSION_COOKIE_NAME] = "a" * 32
    for path in PAGES:
        with connection.execute_wrapper(refuse):
            answer = client.get(path)
        assert answer.status_code == 503, path
        assert answer.headers["Content-Type"].startswith("text/html")
        assert answer.headers["Retry-After"] == "5"
        assert answer.headers["Cache-Control"] == "no-store"
        page = answer.content.decode()
        assert "The database is unavailable" in page
        assert "Traceback" not in page


def test_no_traceback_is_logged_for_it() -> None:
    def line(error: Exception) -> logging.LogRecord:
        told = (type(error), error, None)
        return logging.LogRecord("a", logging.ERROR, "", 0, "Failed", (), told)

    away, defect = line(OperationalError("gone")), line(ValueError("wrong"))
    assert shorten(away)
    assert shorten(defect)
    assert away.exc_info is None
    assert defect.exc_info is not None
