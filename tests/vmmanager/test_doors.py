"""Programs pass fewer middlewares than browsers, and are told the same."""

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import Settings

from compute.models import Project
from tests.support.api import access_token, operator
from vmmanager.doors import DoorsMiddleware, is_of_a_program

pytestmark = pytest.mark.django_db

BEARER = {"Authorization": "Bearer osl_x"}


@pytest.mark.parametrize(
    ("path", "headers", "is_program"),
    [
        ("/api/v1/vms", BEARER, True),
        ("/api/v1/vms", BEARER | {"Accept": "application/json"}, True),
        ("/health", {}, True),
        ("/health/ready", {}, True),
        # A cookie may be a login, whatever stands beside it.
        ("/api/v1/vms", BEARER | {"Cookie": "sessionid=x"}, False),
        # None is in this one.
        ("/api/v1/vms", BEARER | {"Cookie": ""}, True),
        ("/health", {"Cookie": "a=b"}, False),
        # The browsable API.
        ("/api/v1/vms", BEARER | {"Accept": "text/html,*/*"}, False),
        ("/admin/", BEARER, False),
        ("/admin/login/", {}, False),
        ("/problems/not-found", BEARER, False),
        ("/", BEARER, False),
    ],
)
def test_who_takes_the_short_way(
    path: str, headers: dict[str, str], is_program: bool
) -> None:
    request = RequestFactory().get(path, headers=headers)
    assert is_of_a_program(request) is is_program
    browsers: list[HttpRequest] = []

    def rest(request: HttpRequest) -> HttpResponseBase:
        browsers.append(request)
        return HttpResponse()

    DoorsMiddleware(rest)(request)
    assert bool(browsers) is not is_program


def told(answer: HttpResponse) -> tuple[int, dict[str, str]]:
    changing = {
        "X-Request-ID",
        "RateLimit",
        "Content-Length",
        "Content-Security-Policy",
    }
    headers = {k: v for k, v in answer.items() if k not in changing}
    policy = answer["Content-Security-Policy"].split("; ")
    return answer.status_code, headers | {"policy": " ".join(sorted(policy))}


@pytest.mark.parametrize("secure", [False, True])
@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/api/v1/vms", {}),
        ("HEAD", "/api/v1/vms", {}),
        ("GET", "/api/v1/vms?nonsense=1", {}),
        ("GET", "/api/v1/vms/00000000-0000-4000-8000-000000000000", {}),
        ("GET", "/api/v1/nothing/here", {}),
        ("PUT", "/api/v1/vms", {}),
        ("POST", "/api/v1/vms", {"Origin": "https://elsewhere.example"}),
        ("GET", "/api/v1/vms", {"Accept": "text/csv"}),
        ("GET", "/api/v1/vms", {"Authorization": "Bearer osl_x"}),
        ("GET", "/health", {}),
        ("HEAD", "/health", {}),
        ("POST", "/health", {}),
        ("GET", "/health", {"Accept": "text/csv"}),
    ],
)
def test_both_ways_answer_the_same(
    settings: Settings,
    project: Project,
    secure: bool,
    method: str,
    path: str,
    more: dict[str, str],
) -> None:
    settings.DEBUG = False
    settings.SECURE_HSTS_SECONDS = 60
    headers = {"Authorization": f"Bearer {access_token(operator())}", **more}

    def answer(**cookie: str) -> HttpResponse:
        return Client(headers=headers | cookie).generic(method, path, secure=secure)  # type: ignore[return-value]

    program, browser = answer(), answer(Cookie="theme=dark")
    assert told(program) == told(browser)
    assert program["Content-Length"] == str(len(program.content)) or method == "HEAD"
    assert ("Strict-Transport-Security" in program) is secure


def test_plain_http_is_sent_on_to_https_but_for_probes(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = True
    client = Client()
    assert client.get("/api/v1/vms", headers=BEARER).status_code == 301
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize("redirects", [False, True])
@pytest.mark.parametrize("path", ["/health", "/api/v1/vms"])
def test_an_unknown_host_is_refused_on_both_ways(
    settings: Settings, redirects: bool, path: str
) -> None:
    settings.SECURE_SSL_REDIRECT = redirects
    for headers in ({}, {"Cookie": "a=b"}):
        answer = Client().get(path, headers={"Host": "evil.example", **headers})
        assert answer.status_code == 400
        assert answer["Content-Type"] == "application/problem+json"
        assert "Content-Security-Policy" in answer


def test_it_holds_under_asgi() -> None:
    answer = async_to_sync(AsyncClient().get)("/health")
    assert answer.status_code == 200
    assert answer["X-Frame-Options"] == django_settings.X_FRAME_OPTIONS
