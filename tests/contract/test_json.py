"""JSON answers end with a newline, and are the same whoever asks for JSON."""

from typing import Any

import pytest
from django.test import Client

from tests.support.api import Api, access_token, operator
from tests.support.api_calls import CALLS, Call, of, send
from tests.support.populated_projects import Place


def is_json(answer: Any) -> bool:
    return str(answer.headers.get("Content-Type", "")).endswith("json")


def ends_well(answer: Any) -> bool:
    """Whether a body is one line of JSON, or nothing at all."""
    body: bytes = answer.content
    return body == b"" or (body.endswith((b"}\n", b"]\n")) and body.count(b"\n") == 1)


def test_every_json_answer_ends_with_a_newline(place: Place) -> None:
    bearer = access_token(operator())
    answers = [(call, of(call, place, bearer)) for call in CALLS]
    answers += [(call, of(call, place, None)) for call in CALLS if call.is_secured]
    told = [(call, answer) for call, answer in answers if is_json(answer)]
    assert len(told) > 100
    wrong = [
        f"{call.name}: {answer.status_code} {answer.content[-80:]!r}"
        for call, answer in told
        if not ends_well(answer)
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/api/v1/vms", {"name": ""}, 400),
        ("GET", "/api/v1/nowhere", None, 404),
        ("GET", "/nowhere", None, 404),
        ("PUT", "/api/v1/vms", None, 405),
        ("GET", "/api/v1/vms?name=%00", None, 400),
    ],
)
def test_problems_do_too(
    api: Api, method: str, path: str, body: Any, status: int
) -> None:
    bearer = access_token(operator())
    answer = send(bearer, method, path, body)
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert ends_well(answer)
    strange = Client(headers={"Host": "elsewhere.example"}).get("/api/v1/vms")
    assert (strange.status_code, ends_well(strange)) == (400, True)


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_the_description_of_the_api_does_too(db: None, format: str) -> None:
    answer = Client().get("/api/v1/schema", {"format": format})
    assert answer.status_code == 200
    assert answer.content.endswith(b"\n")
    assert not answer.content.endswith(b"\n\n")


def test_what_has_no_body_has_no_newline(api: Api, place: Place) -> None:
    path = f"/vms/{place.vm.pk}"
    tag = api.get(path).headers["ETag"]
    assert api.get(path, If_None_Match=tag).content == b""
    assert api.call("HEAD", path).content == b""
    token = f"/api-tokens/{place.ids['token']}"
    answer = api.delete(token)
    assert (answer.status_code, answer.content) == (204, b"")


def test_nothing_else_changes_for_who_asks_for_json(place: Place) -> None:
    bearer = access_token(operator())
    calls: list[Call] = [call for call in CALLS if call.method == "GET"]
    for call in calls:
        if call.path.startswith(("problems", "api/v1/docs", "api/v1/schema")):
            continue
        if call.path.endswith(("events/stream", "events/ws")):
            continue  # these are no JSON
        if call.path.endswith("/console"):
            continue  # each has a URL of its own
        named = {"X_Request_ID": "req-8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"}
        plain = of(call, place, bearer, **named)
        asked = of(call, place, bearer, **named, Accept="application/json")
        for answer in (plain, asked):
            assert answer.status_code == call.success, call.name
        assert plain.content == asked.content, call.name
        assert plain.headers.get("Content-Type") == asked.headers.get("Content-Type")
