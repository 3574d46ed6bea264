"""X-Request-ID: taken from the client, echoed, in every log line."""

import re

import pytest
import structlog
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from vmmanager.request_id import RequestIDMiddleware

SENT = "req-3dcc0c9d-1111-4111-8111-111111111111"
FORM = re.compile(r"req-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def answered(header: str | None) -> tuple[str, HttpResponse, dict[str, object]]:
    """Return the id the view saw, the response, and the log context in the view."""
    seen: dict[str, object] = {}

    def view(request: HttpRequest) -> HttpResponse:
        seen.update(structlog.contextvars.get_contextvars())
        return HttpResponse(getattr(request, "request_id", ""))

    headers = {} if header is None else {"X-Request-ID": header}
    response = RequestIDMiddleware(view)(RequestFactory().get("/x", headers=headers))
    assert isinstance(response, HttpResponse)
    return response.content.decode(), response, seen


def test_an_id_in_novas_form_is_taken_and_echoed() -> None:
    request_id, response, context = answered(SENT)
    assert request_id == response["X-Request-ID"] == SENT
    assert context["request_id"] == SENT


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        "anything",
        SENT.upper(),
        SENT + "x",
        SENT.removeprefix("req-"),
        SENT.replace("-4111-", "-1111-"),
        f"{SENT}\nforged line",
    ],
)
def test_any_other_id_is_replaced(sent: str | None) -> None:
    request_id, response, _ = answered(sent)
    assert FORM.fullmatch(request_id)
    assert response["X-Request-ID"] == request_id != sent


def test_the_id_is_forgotten_after_the_request() -> None:
    answered(SENT)
    assert "request_id" not in structlog.contextvars.get_contextvars()


@pytest.mark.django_db
def test_a_response_that_no_view_made_carries_it_too(client: Client) -> None:
    assert FORM.fullmatch(client.get("/no/such/page")["X-Request-ID"])
    assert FORM.fullmatch(
        client.get("/admin/", headers={"host": "evil"})["X-Request-ID"]
    )


def test_one_line_tells_method_path_status_and_duration() -> None:
    with structlog.testing.capture_logs(
        processors=[structlog.contextvars.merge_contextvars]
    ) as lines:
        answered(SENT)
    (line,) = lines
    assert line["duration_ms"] >= 0
    assert line == {
        "event": "request",
        "log_level": "info",
        "method": "GET",
        "path": "/x",
        "status": 200,
        "request_id": SENT,
        "duration_ms": line["duration_ms"],
    }
