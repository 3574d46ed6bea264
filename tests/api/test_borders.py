"""Whatever arrives, a JSON client gets a problem document with the right 4xx."""

from typing import Any

import pytest
from django.test import Client

from compute.models import VM
from tests.support.api import Api, errors, operator, problem
from tests.support.factories import VMFactory

JSON = "application/json"


def send(api: Api, data: bytes, content_type: str = JSON, path: str = "/vms") -> Any:
    return api.client.generic("POST", f"/api/v1{path}", data, content_type)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"name": "\xff"}',
        b'{"name": "\xed\xa0\x80"}',
        b'{"name": "\\ud800"}',
        b'{"name": NaN}',
        b'{"name": Infinity}',
        b'{"name": 1e999}',
        b"{'name': 1}",
        b'{"name": 1,}',
        b" ",
        b"\xef\xbb\xbf{}",
        b"[" * 20 + b"]" * 20,
        b"[" * 100_000,
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
    ],
)
def test_what_is_not_json_is_malformed(api: Api, body: bytes) -> None:
    problem(send(api, body), 400, "malformed-json")


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a", "name": "b", "flavor": "m1.small", "image": "cirros"}',
        b'{"name": "a", "n\\u0061me": "a", "flavor": "m1.small", "image": "cirros"}',
        b'{"name": "a", "flavor": "m1.small", "image": "cirros", '
        b'"labels": {"env": "prod", "env": "test"}}',
        b'{"x":' + b'{"a":' * 1000 + b"1" + b"}" * 1000 + b',"x":1}',
        b'{"x": ' + b"1" * 5000 + b', "x": 1}',
    ],
)
def test_no_value_is_dropped_for_another_of_the_same_name(
    api: Api, catalogue: None, body: bytes
) -> None:
    problem(send(api, body), 400, "malformed-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"x"', b"true"])
def test_a_body_must_be_an_object(api: Api, body: bytes) -> None:
    assert [where for where, _ in errors(send(api, body))] == ["#"]


def test_a_long_body_is_read_and_refused_for_what_it_says(api: Api) -> None:
    body = b'{"name": "' + b"a" * 262_000 + b'"}'
    assert ("#/name", "max_length") in errors(send(api, body))


def test_a_longer_body_is_not_read(api: Api) -> None:
    body = b'{"name": "' + b"a" * 262_144 + b'"}'
    problem(send(api, body), 413, "payload-too-large")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json-patch+json",
        "nonsense",
    ],
)
def test_only_json_is_taken(api: Api, content_type: str) -> None:
    response = send(api, b"name=x", content_type)
    problem(response, 415, "unsupported-media-type")


def test_a_charset_beside_json_is_ignored(api: Api) -> None:
    response = send(api, b"{}", "application/json; charset=utf-8")
    assert errors(response)[0] == ("#/name", "required")


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE", "PROPFIND", "PATCH"])
def test_unknown_methods_are_refused_with_those_that_exist(
    api: Api, method: str
) -> None:
    response = api.client.generic(method, "/api/v1/vms")
    problem(response, 405, "method-not-allowed")
    assert response.headers["Allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize("accept", ["text/xml", "image/png", "nonsense"])
def test_what_we_do_not_speak_is_not_acceptable(api: Api, accept: str) -> None:
    problem(api.get("/vms", Accept=accept), 406, "not-acceptable")


@pytest.mark.parametrize(
    "path",
    [
        "/vms/%00",
        "/vms?name=%00",
        "/vms?name=a%00b",
        "/vms?%00=1",
        "/vms?name=%ff",
        "/vms?name=%ed%a0%80",
        "/vms?name=\xff",
    ],
)
def test_bytes_that_no_database_takes_are_refused_in_the_url(
    api: Api, path: str
) -> None:
    path_info, _, query = path.partition("?")
    response = api.client.get(
        f"/api/v1{path_info.replace('%00', chr(0))}", QUERY_STRING=query
    )
    problem(response, 400, "bad-request")


def test_a_nul_in_a_cookie_is_refused(api: Api) -> None:
    response = api.client.get("/api/v1/vms", headers={"Cookie": 'sessionid="\\000"'})
    problem(response, 400, "bad-request")


@pytest.mark.parametrize(
    "path",
    [
        "/vms/1",
        "/vms/8f2d6c1e",
        "/vms/%2e%2e",
        "/vms/\N{ROCKET}",
        "/vms/",
        "/vms/8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11/",
        "/VMS",
        "/vms.json",
    ],
)
def test_paths_that_lead_nowhere_are_404(api: Api, path: str) -> None:
    problem(api.get(path), 404, "not-found")


def test_a_missing_slash_turns_no_write_into_a_redirect(api: Api) -> None:
    response = api.client.post("/api/v1", {}, content_type=JSON)
    problem(response, 404, "not-found")


def test_a_chunked_body_is_refused_not_lost(api: Api) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    response = api.client.generic("POST", "/api/v1/vms", headers=headers)
    problem(response, 411, "length-required")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_writes_nothing(api: Api, site: str) -> None:
    vm = VMFactory.create()
    headers = {"Sec-Fetch-Site": site, "Accept": "text/html"}
    response = api.client.post(f"/api/v1/vms/{vm.pk}/actions/stop", headers=headers)
    assert response.status_code == 403
    assert VM.objects.get().status == "ACTIVE"


@pytest.mark.django_db
def test_a_form_without_its_token_writes_nothing() -> None:
    vm = VMFactory.create()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator())
    response = client.post(
        f"/api/v1/vms/{vm.pk}/actions/stop",
        headers={"Accept": "text/html", "Sec-Fetch-Site": "same-origin"},
    )
    assert response.status_code == 403


def test_a_get_with_a_body_is_answered_as_without(api: Api) -> None:
    response = api.client.generic("GET", "/api/v1/vms", b"{", JSON)
    assert response.status_code == 200


def test_head_is_get_without_the_body(api: Api) -> None:
    response = api.client.head("/api/v1/vms")
    assert (response.status_code, response.content) == (200, b"")


def test_thousands_of_parameters_are_refused(api: Api) -> None:
    query = "&".join(f"a{n}=1" for n in range(2000))
    problem(api.get(f"/vms?{query}"), 400, "bad-request")


def test_answers_vary_by_what_the_client_accepts_and_who_it_is(api: Api) -> None:
    assert api.get("/vms").headers["Vary"] == "Accept, Authorization, Cookie"
