"""What a client sends is parsed in time that grows with its length, and no faster.

Measured is CPU time, and compared are a text and one of the same kind that is four times
as long: linear is 4, quadratic 16.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from django.core.exceptions import DisallowedHost, SuspiciousOperation, ValidationError
from django.core.handlers.wsgi import WSGIHandler
from django.core.signing import BadSignature
from django.http import QueryDict
from django.test import Client, RequestFactory
from django.utils.text import smart_split
from pytest_django import Settings
from rest_framework.exceptions import APIException
from rest_framework.negotiation import DefaultContentNegotiation

from compute import label_selector
from compute.addresses import client_address
from compute.api.http import (
    idempotency,
    intake,
    pagination,
    preconditions,
    prefer,
)
from compute.api.http.filters import TimeField
from compute.api.http.middleware import parse_cookies
from compute.api.http.parsers import JSONParser
from compute.api.http.renderers import JSONRenderer
from compute.errors import Problem
from compute.search import from_address, has_address, id_prefix
from compute.services import logins
from tests.support.api import access_token, operator

pytestmark = pytest.mark.once

#: More than the ratio of linear time, less than that of quadratic, and the seconds that
#: a measurement may be off.
RATIO, SLACK = 8.0, 0.002
#: Of the shorter text.
LENGTH = 2_000

#: What is repeated: what ends, opens, separates and escapes, and what looks like a word.
PIECES = [
    *(
        "a",
        '"',
        '\\"',
        "'",
        "\\",
        ";",
        "=",
        ",",
        " ",
        "\t",
        "(",
        ")",
        "[",
        ":",
        "%",
        "!",
    ),
    *('"a",', 'W/"a"', "a=b;", 'a="b', 'a;b="', "a,", "a, ", ", ,", "a/b,", "a/b;c=d,"),
    *(
        "a=b,",
        "a in (b),",
        "a in (",
        "!a,",
        "a!=b,",
        "-a",
        "a.",
        ".a",
        "a.a/",
        "1.",
        "::",
    ),
    *(
        "-created_at,",
        "198.51.100.7, ",
        "2026-11-23T",
        "{",
        '{"a":',
        "[1,",
        "\\u0041",
        "é",
    ),
]
#: What stands before and behind it: a beginning that the end never fits, or the reverse.
FRAMES = [("", ""), ('a="', ""), ("", '"'), ("a=", "!"), ("a (", ")"), ('"', '"')]

#: How parsers refuse.
REFUSALS = (
    APIException,
    BadSignature,
    DisallowedHost,
    Problem,
    RecursionError,
    SuspiciousOperation,
    ValidationError,
    ValueError,
)


def texts(length: int) -> Iterator[tuple[str, str]]:
    """Yield texts of a length, each with what it is made of."""
    for piece in PIECES:
        repeated = (piece * (length // len(piece) + 1))[:length]
        for before, behind in FRAMES:
            yield f"{before}{piece}…{behind}", f"{before}{repeated}{behind}"


def seconds(call: Callable[[str], Any], text: str, *, times: int) -> float:
    """Return the CPU time of a call, the shortest of several."""
    found = []
    for _ in range(times):
        begun = time.thread_time()
        with suppress(*REFUSALS):
            call(text)
        found.append(time.thread_time() - begun)
    return min(found)


def is_linear(call: Callable[[str], Any], text: str, longer: str) -> bool:
    """Compare; in doubt again and better, because others use this machine, too."""
    return any(
        seconds(call, longer, times=times)
        <= RATIO * seconds(call, text, times=times) + SLACK
        for times in (1, 3, 5)
    )


def asking(**headers: str) -> Any:
    """Return a request of which only the headers matter."""
    return SimpleNamespace(
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        META={"REMOTE_ADDR": "198.51.100.7"}
        | {f"HTTP_{name.upper()}": value for name, value in headers.items()},
        method="POST",
        path="/",
        query_params={},
        data={},
    )


ANYBODY: Any = SimpleNamespace(name="user:alice")


def negotiated(text: str) -> Any:
    negotiation = DefaultContentNegotiation()
    return negotiation.select_renderer(asking(accept=text), [JSONRenderer()])


PARSERS: Mapping[str, Callable[[str], Any]] = {
    "Prefer": lambda text: prefer.preference(asking(Prefer=text), default=0),
    "If-Match": lambda text: preconditions.are_met(asking(If_Match=text), '"1"'),
    "If-None-Match": lambda text: preconditions.is_unchanged(
        asking(If_None_Match=text), '"1"'
    ),
    "Idempotency-Key": lambda text: idempotency.key_of(
        asking(Idempotency_Key=text), ANYBODY, project_id=None
    ),
    "X-Forwarded-For": lambda text: client_address(asking(X_Forwarded_For=text)),
    "Authorization": logins.access,
    "Accept": negotiated,
    "Cookie": parse_cookies,
    "Host": lambda text: RequestFactory(headers={"Host": text}).get("/").get_host(),
    "query": QueryDict,
    "label_selector": label_selector.parse,
    "ordering": lambda text: pagination.parse_ordering(text, allowed=["created_at"]),
    "cursor": pagination._signer.unsign_object,
    "time": TimeField().clean,
    "search by id": id_prefix,
    "search by address": has_address,
    "search by the address of a request": from_address,
    "search of Django's admin": lambda text: list(smart_split(text)),
    "JSON": lambda text: JSONParser().parse(BytesIO(text.encode())),
}


@pytest.mark.parametrize("name", PARSERS)
def test_a_text_is_parsed_in_linear_time(
    name: str, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setattr(label_selector, "MAX_LENGTH", 1_000_000)
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "NUM_PROXIES": 1}
    call, longer = PARSERS[name], dict(texts(4 * LENGTH))
    found = [
        made_of
        for made_of, text in texts(LENGTH)
        if not is_linear(call, text, longer[made_of])
    ]
    assert not found


#: Of a whole request: what the functions above do not show, and all the rest of it.
HEADERS = [
    *(
        "Prefer",
        "If-Match",
        "If-None-Match",
        "Idempotency-Key",
        "Authorization",
        "Accept",
    ),
    *("Content-Type", "Cookie", "Host", "Origin", "Referer", "Sec-Fetch-Site", "Range"),
    *("X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "Forwarded"),
    *("X-Request-ID", "User-Agent", "If-Modified-Since", "Accept-Encoding"),
    *("Accept-Language", "Transfer-Encoding", "X-HTTP-Method-Override"),
]
HARD = ['"', '\\"', ";", 'a;b="', ",", "a/b;c=d,", "a=b;", " "]


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("name", HEADERS)
def test_a_request_is_answered_in_linear_time(name: str) -> None:
    application = intake.WSGI(WSGIHandler())
    known = {"Authorization": f"Bearer {access_token(operator())}"}

    def call(text: str) -> None:
        request = RequestFactory().post(
            "/api/v1/vms",
            "{}",
            content_type="application/json",
            headers={
                **known,
                name: f"Bearer {text}" if name == "Authorization" else text,
            },
        )
        (answer,) = application(request.environ, lambda *_: None)
        assert len(answer) < 4_000

    call("")  # what the first request makes
    found = [
        piece
        for piece in HARD
        if not is_linear(call, (piece * 2_000)[:1_900], (piece * 8_000)[:7_600])
    ]
    assert not found


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize(
    "made",
    [
        lambda n: {f"f{i}": i for i in range(n)},
        lambda n: {"labels": {f"l{i}": "-" for i in range(n)}},
        lambda n: {"name": "n" * n * 10},
        lambda n: {"name": [[[0] * 100] * (n // 100)]},
    ],
    ids=["unknown fields", "labels", "a long name", "lists"],
)
def test_a_body_is_refused_in_linear_time(
    made: Callable[[int], Any], accept: str
) -> None:
    client = Client(
        headers={
            "Authorization": f"Bearer {access_token(operator())}",
            "Accept": accept,
        }
    )

    def call(text: str) -> None:
        assert client.post("/api/v1/vms", text, "application/json").status_code == 400

    call("{}")
    assert is_linear(call, *(orjson.dumps(made(n)).decode() for n in (4_000, 16_000)))
