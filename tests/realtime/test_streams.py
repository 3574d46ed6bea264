"""Both streams: each event once and in order, and what a client is told when it ends."""

import uuid
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.support.event_streams import closed, received, socket, streaming
from tests.support.serving import STREAM_MARKS, Service

pytestmark = STREAM_MARKS


def happen(service: Service, count: int = 1) -> list[str]:
    """Have keypairs made, each of which is one event; return their subjects."""
    subjects = []
    for _ in range(count):
        answer = service.api("POST", "/keypairs", {"name": f"key-{uuid.uuid4().hex}"})
        assert answer.status == 201, answer.text
        subjects.append(f"keypairs/{answer.body['id']}")
    return subjects


def cursor(service: Service) -> str:
    return service.api(
        "GET", "/vms?per_page=1&page=1&project=" + project(service)
    ).headers["Event-Cursor"]


def project(service: Service) -> str:
    return str(service.api("GET", "/projects").body["results"][0]["id"])


# Server-sent events


def test_a_stream_has_what_happens_once_and_in_order(service: Service) -> None:
    before = cursor(service)
    with streaming(service) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["Cache-Control"] == "no-cache"
        assert "Content-Length" not in stream.headers
        assert stream.headers["Event-Cursor"] == before
        first = stream.read()
        assert first is not None
        assert (first.retry, first.id, first.data) == ("3000", before, "")
        subjects = happen(service, 5)
        events = stream.events(5)
    assert [event.body["subject"] for event in events] == subjects
    assert {event.event for event in events} == {"keypair.created"}
    assert [int(event.id) for event in events] == [
        int(before) + number for number in range(1, 6)
    ]
    assert [event.id for event in events] == [e.body["sequence"] for e in events]


def test_an_event_is_the_same_by_every_way(service: Service) -> None:
    before = cursor(service)
    with streaming(service) as stream, socket(service) as client:
        happen(service)
        (event,) = stream.events(1)
        (other,) = received(client, 1)
    listed = service.api("GET", f"/events?after={before}").body["results"]
    assert [event.body] == [other] == listed


@pytest.mark.parametrize("way", ["after", "Last-Event-ID"])
def test_who_comes_back_with_a_cursor_misses_nothing(
    service: Service, way: str
) -> None:
    before = cursor(service)
    subjects = happen(service, 3)
    query = f"?after={before}" if way == "after" else ""
    headers = {} if way == "after" else {"Last-Event-ID": before}
    with streaming(service, query, headers=headers) as stream:
        events = stream.events(3)
        subjects += happen(service, 2)
        events += stream.events(2)
    assert [event.body["subject"] for event in events] == subjects


def test_what_a_browser_says_last_precedes_what_its_page_said_first(
    service: Service,
) -> None:
    before = cursor(service)
    happen(service, 2)
    after = f"{int(before) + 1:012d}"
    last = {"Last-Event-ID": after}
    with streaming(service, f"?after={before}", headers=last) as stream:
        (event,) = stream.events(1)
    assert int(event.id) == int(before) + 2


def test_more_than_a_page_behind(service: Service) -> None:
    before = int(cursor(service))
    happen(service, 30)
    with streaming(service, "?after=0") as stream:
        sequences = [int(event.id) for event in stream.events(before + 30)]
    assert sequences == list(range(1, before + 31))


def test_types_and_subjects_are_picked(service: Service) -> None:
    with (
        streaming(service, "?type=vm.*,login.failed") as none,
        streaming(service, "?type=keypair.*&type=x") as some,
    ):
        (subject,) = happen(service)
        (event,) = some.events(1)
        with streaming(service, f"?after=0&subject={subject}") as one:
            assert [e.id for e in one.events(1)] == [event.id]
        assert event.body["subject"] == subject
        # What was passed over is told with the next sign of life.
        first, sign = none.read(), none.read()
    assert first is not None
    assert sign is not None
    assert (sign.id, sign.data, sign.comment) == (event.id, "", True)


def test_a_sign_of_life_has_no_id(service: Service) -> None:
    with streaming(service, timeout=20) as stream:
        stream.read()
        sign = stream.read()
    assert sign is not None
    assert (sign.comment, sign.id, sign.event, sign.data) == (True, "", "", "")


@pytest.mark.parametrize(
    ("query", "headers", "status", "place"),
    [
        ("?after=x", {}, 400, {"parameter": "after"}),
        ("?after=999999999999", {}, 400, {"parameter": "after"}),
        ("", {"Last-Event-ID": "x"}, 400, {"header": "Last-Event-ID"}),
        ("", {"Last-Event-ID": "999999999999"}, 400, {"header": "Last-Event-ID"}),
        ("?project=x", {}, 400, {"parameter": "project"}),
        (
            "?project=00000000-0000-4000-8000-000000000000",
            {},
            400,
            {"parameter": "project"},
        ),
        ("?subject=cars/1", {}, 400, {"parameter": "subject"}),
        ("?type=", {}, 400, {"parameter": "type"}),
        ("?types=vm.*", {}, 400, {"parameter": "types"}),
    ],
)
def test_what_cannot_be_followed_is_refused_before_it_starts(
    service: Service, query: str, headers: dict[str, Any], status: int, place: Any
) -> None:
    with streaming(service, query, headers=headers) as stream:
        problem = stream.problem()
    assert (stream.status, problem["code"]) == (status, "validation-error")
    (error,) = problem["errors"]
    assert error.items() >= place.items()
    if not headers:
        with socket(service, query) as client:
            # runserver tells no reason.
            assert closed(client) in [(4400, "validation-error"), (4400, "")]


def test_a_head_says_the_same_and_holds_nothing(service: Service) -> None:
    answer = service.api("HEAD", "/events/stream")
    assert (answer.status, answer.text) == (200, "")
    assert answer.headers["Content-Type"] == "text/event-stream"


# WebSocket


def test_a_socket_has_what_happens_once_and_in_order(service: Service) -> None:
    before = cursor(service)
    subjects = happen(service, 2)
    with socket(service, f"?after={before}") as client:
        events = received(client, 2)
        subjects += happen(service, 3)
        events += received(client, 3)
    assert [event["subject"] for event in events] == subjects


def test_a_key_comes_as_a_subprotocol(service: Service) -> None:
    protocols = ["events.v1", f"bearer.{service.token}"]
    with socket(service, token="", subprotocols=protocols) as client:
        assert client.subprotocol == "events.v1"
        (subject,) = happen(service)
        assert [event["subject"] for event in received(client, 1)] == [subject]
    with socket(service, token="", subprotocols=["events.v1", "bearer.x"]) as client:
        assert closed(client)[0] == 4401


def test_a_plain_request_is_told_to_upgrade(service: Service) -> None:
    answer = service.api("GET", "/events/ws")
    assert (answer.status, answer.body["code"]) == (426, "upgrade-required")


def test_a_socket_takes_no_messages(service: Service) -> None:
    with socket(service) as client:
        client.send("hello")
        assert closed(client)[0] == 4400


def test_no_other_path_has_a_socket(service: Service) -> None:
    for path in ("/api/v1/vms", "/", "/api/v1/events/ws/"):
        with (
            pytest.raises(InvalidStatus) as refused,
            connect(f"ws://127.0.0.1:{service.port}{path}"),
        ):
            pass
        assert refused.value.response.status_code == 403
