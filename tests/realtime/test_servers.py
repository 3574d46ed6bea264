"""Servers of streams: what they serve, how many, and how they stop."""

import time
from pathlib import Path

import pytest

from tests.support.event_streams import closed, socket, streaming
from tests.support.serving import STREAM_MARKS, Ground, served

pytestmark = STREAM_MARKS


def test_who_answers_requests_alone_says_where_streams_are(
    ground: Ground, tmp_path: Path
) -> None:
    with served("wsgi", ground, tmp_path) as service:
        answer = service.api("GET", "/events/stream")
        assert (answer.status, answer.body["code"]) == (501, "streams-not-served")
        answer = service.api("GET", "/events/ws")
        assert (answer.status, answer.body["code"]) == (426, "upgrade-required")
        assert service.api("POST", "/events/tickets").status == 201


def test_the_stream_service_serves_streams_and_health_alone(
    ground: Ground, tmp_path: Path
) -> None:
    with served("stream", ground.with_env(STREAMS_ONLY="true"), tmp_path) as service:
        for path in ("/health", "/health/ready"):
            assert service.call("GET", path).status == 200
        for path in ("/api/v1/vms", "/api/v1/events", "/admin/", "/api/v1/docs"):
            answer = service.call("GET", path)
            assert (answer.status, answer.body["code"]) == (404, "not-found")
        with streaming(service) as stream, socket(service) as client:
            assert stream.status == 200
            with pytest.raises(TimeoutError):
                client.recv(timeout=0.5)
        assert service.complaints() == []


def test_places_are_limited_and_given_back(ground: Ground, tmp_path: Path) -> None:
    env = ground.with_env(STREAM_MAX_CONNECTIONS="4")
    with served("uvicorn", env, tmp_path) as service:
        for _ in range(3):
            with streaming(service) as stream, socket(service):
                assert stream.status == 200
                with streaming(service) as third:
                    assert third.status == 429
                    assert third.headers["Retry-After"] == "5"
                    assert third.problem()["violated_policies"] == ["streams"]
                with socket(service) as fourth:
                    assert closed(fourth) == (4429, "rate-limited")
                # Half of them are anybody's; a HEAD takes none.
                assert service.api("HEAD", "/events/stream").status == 200
            time.sleep(0.5)  # until the server has seen that they left


@pytest.mark.parametrize("kind", ["stream", "runserver"])
def test_a_server_that_stops_says_when_to_come_back(
    kind: str, ground: Ground, tmp_path: Path
) -> None:
    env = ground.with_env(STREAMS_ONLY=str(kind == "stream").lower())
    with (
        served(kind, env, tmp_path) as service,
        streaming(service) as one,
        streaming(service) as other,
        socket(service) as client,
    ):
        for stream in (one, other):
            stream.read()
        begun = time.monotonic()
        service.process.terminate()
        retries = []
        for stream in (one, other):
            message = stream.read()
            assert message is not None
            retries.append(int(message.retry))
            assert stream.read() is None
        assert all(3_000 <= retry < 8_000 for retry in retries)
        assert retries[0] != retries[1]
        assert closed(client)[0] == 4503
        service.process.wait(timeout=10)
        assert time.monotonic() - begun < 6
        assert service.complaints() == []
