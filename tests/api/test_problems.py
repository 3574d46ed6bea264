from html import unescape
from io import BytesIO
from typing import Any

import orjson
import pytest
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.test import Client, RequestFactory
from django_fsm import TransitionNotAllowed
from rest_framework import exceptions
from rest_framework.request import Request

from compute.api.http.middleware import ProblemMiddleware
from compute.api.http.problem_help import HELP, example
from compute.api.http.problems import flatten, host_of, registry, to_problem
from compute.api.http.renderers import dumps
from compute.errors import NotFound, ValidationError
from tests.support.api import Api, problem


def test_every_code_has_a_page_for_people_and_one_for_programs(api: Api) -> None:
    assert set(HELP) == set(registry())
    for code, kind in registry().items():
        assert kind.explanation, code
        page = api.client.get(f"/problems/{code}", headers={"Accept": "text/html"})
        assert page.status_code == 200
        shown = unescape(page.content.decode())
        assert dumps(example(code), indent=True).decode() in shown
        asked = api.client.get(f"/problems/{code}").json()
        assert (asked["code"], asked["advice"]) == (code, HELP[code].advice)


def test_the_type_of_a_problem_can_be_followed(api: Api) -> None:
    document = problem(api.get("/nothing"), 404, "not-found")
    path = document["type"].removeprefix("http://testserver")
    assert api.client.get(path).json()["code"] == "not-found"
    assert document["instance"] == "/api/v1/nothing"


def test_all_codes_are_listed(api: Api) -> None:
    listed = api.client.get("/problems").json()
    assert [row["code"] for row in listed] == list(registry())
    html = api.client.get("/problems", headers={"Accept": "text/html"})
    assert "/problems/not-found" in html.content.decode()
    unknown = api.client.get("/problems/unheard-of")
    assert problem(unknown, 404, "not-found")


@pytest.mark.parametrize(
    ("exception", "code"),
    [
        (TransitionNotAllowed("no"), "invalid-transition"),
        (RequestDataTooBig("big"), "payload-too-large"),
        (exceptions.NotAuthenticated(), "unauthenticated"),
        (exceptions.ParseError(), "bad-request"),
        (exceptions.ValidationError({"a": ["b"]}), "validation-error"),
        (NotFound("x"), "not-found"),
    ],
)
def test_exceptions_become_problems(exception: Exception, code: str) -> None:
    assert to_problem(exception).code == code


@pytest.mark.parametrize(
    ("cause", "code"),
    [(TimeoutError(), "request-timeout"), (ConnectionError(), "bad-request")],
)
def test_a_body_that_does_not_arrive_is_no_defect(
    rf: RequestFactory, cause: OSError, code: str
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.POST["name"])

    class Broken(BytesIO):
        def read(self, *_: Any) -> bytes:
            raise cause

    request = rf.post("/", {"name": "x"}, "application/x-www-form-urlencoded")
    request._stream = Broken()
    with pytest.raises(UnreadablePostError) as raised:
        view(request)
    answer = ProblemMiddleware(view).process_exception(request, raised.value)
    assert answer is not None
    assert orjson.loads(answer.content)["code"] == code
    assert to_problem(raised.value).code == code


def test_a_defect_is_an_internal_error_that_tells_nothing_of_itself(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = to_problem(ZeroDivisionError("secret"))
    assert told.code == "internal-error"
    assert "secret" not in told.detail
    assert "secret" in caplog.text


def test_nested_errors_become_pointers() -> None:
    detail = exceptions.ValidationError(
        {
            "labels": {"a/b~c": ["wrong"]},
            "rules": [{}, {"port": ["required"]}],
            "non_field_errors": ["odd"],
        }
    ).detail
    assert [row["pointer"] for row in flatten(detail)] == [
        "#/labels/a~1b~0c",
        "#/rules/1/port",
        "#",
    ]


def test_one_error_is_the_detail_and_several_are_counted() -> None:
    row = {"pointer": "#/a", "code": "x", "detail": "Wrong."}
    assert ValidationError([row]).detail == "Wrong."
    assert ValidationError([row, row]).detail == "2 fields are not valid."


def test_the_type_is_relative_when_the_host_is_not_ours(rf: RequestFactory) -> None:
    request = Request(rf.get("/", headers={"Host": "evil.example"}))
    assert host_of(request) == ""


JSON_CLIENTS: tuple[dict[str, str], ...] = (
    {},
    {"Accept": "application/json"},
    {"Accept": "*/*"},
)


@pytest.mark.parametrize("debug", [True, False])
@pytest.mark.parametrize("headers", JSON_CLIENTS)
@pytest.mark.django_db
def test_no_json_client_gets_html_outside_of_the_api(
    settings: Any, headers: dict[str, str], debug: bool
) -> None:
    settings.DEBUG = debug
    client = Client(enforce_csrf_checks=True)
    problem(client.get("/nothing", headers=headers), 404, "not-found")
    problem(client.post("/admin/login/", headers=headers), 403, "permission-denied")
    bad_host = client.get("/admin/", headers={**headers, "Host": "evil.example"})
    problem(bad_host, 400, "bad-request")


@pytest.mark.django_db
def test_a_browser_gets_its_error_pages_as_html() -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    for path in ("/nothing", "/api/v1/nothing"):
        response = Client().get(path, headers=browser)
        assert response.status_code == 404
        assert response.headers["Content-Type"].startswith("text/html")
