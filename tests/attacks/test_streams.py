"""Clients of streams without manners: each loses its own stream, nobody else anything."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.serving import STREAM_MARKS, Ground, Service, served, shell
from tests.support.slow_clients import answer, bearer, connected, many

pytestmark = STREAM_MARKS

STREAM, SOCKET = "/api/v1/events/stream", "/api/v1/events/ws"
#: Streams of the process that is attacked; of one user half of them.
PLACES = 12
HANDSHAKE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
#: A ping, and a message, with a mask that leaves them as they are.
PING = b"\x89\xfd\0\0\0\0" + b"x" * 125
MESSAGE = b"\x81\x85\0\0\0\0hello"
LARGE = b"\x81\xfe\x10\0\0\0\0\0" + b"x" * 4_096

#: Writes so many events, of which a thousand are more than may wait for a reader.
HAPPEN = """
from compute import events
from compute.models import Project
project = Project.objects.default()
for _ in range({count} // 100):
    events.record_all(project.pk, [
        events.by(events.SYSTEM, "project.updated", subject=project,
                  details={{"text": "x" * 500}})
        for _ in range(100)
    ])
"""


@pytest.fixture(scope="module")
def attacked(ground: Ground) -> Ground:
    return ground.with_env(STREAM_MAX_CONNECTIONS=str(PLACES), DATABASE_POOL_SIZE="4")


@pytest.fixture(scope="module")
def stream(
    attacked: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    with served("stream", attacked, tmp_path_factory.mktemp("stream")) as service:
        yield service
    assert service.complaints() == []


def request(
    service: Service,
    path: str,
    *headers: str,
    method: str = "GET",
    version: str = "1.1",
) -> bytes:
    lines = (f"{method} {path} HTTP/{version}", "Host: 127.0.0.1", *headers)
    return "\r\n".join([*lines, bearer(service.token), "", ""]).encode()


def handshake(service: Service) -> bytes:
    return request(service, SOCKET, *HANDSHAKE)


def resident_megabytes(service: Service) -> float:
    pages = Path(f"/proc/{service.process.pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 1_048_576


def served_connections(service: Service) -> int:
    """Return how many connections the server has, as its kernel counts them."""
    own, established = f":{service.port:04X}", "01"
    rows = map(str.split, Path("/proc/net/tcp").read_text().splitlines())
    return sum(row[1].endswith(own) and row[3] == established for row in rows)


def await_connections(service: Service, count: int, *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while served_connections(service) > count:
        assert time.monotonic() < deadline, served_connections(service)
        time.sleep(0.1)


def opens(service: Service, path: str = STREAM, *headers: str) -> int:
    """Return the status with which a stream is opened or refused, and leave it."""
    with connected(service.port) as client:
        client.sendall(request(service, path, *headers))
        return int(client.recv(4_096).split()[1])


def await_place(service: Service, *, seconds: float) -> None:
    """Wait until all that are one user's can be opened at once."""
    deadline = time.monotonic() + seconds
    while True:
        with many(PLACES // 2, service.port, request(service, STREAM)) as clients:
            statuses = {client.recv(4_096).split()[1] for client in clients}
        if statuses == {b"200"}:
            return
        assert time.monotonic() < deadline, statuses
        time.sleep(0.5)


def is_reset(client: socket.socket) -> bool:
    """Whether the other side ends a connection, whatever it has sent."""
    with suppress(ConnectionError):
        while client.recv(65_536):
            pass
    return True


def flood(client: socket.socket) -> None:
    for _ in range(10_000):
        client.sendall(PING * 100)


def test_one_too_many_is_told_to_come_again_and_places_are_given_back(
    stream: Service,
) -> None:
    with many(PLACES // 2, stream.port, request(stream, STREAM)) as clients:
        assert {client.recv(4_096).split()[1] for client in clients} == {b"200"}
        with connected(stream.port) as one_more:
            one_more.sendall(request(stream, STREAM))
            refused = answer(one_more)
        assert (refused.status, refused.code) == (429, "rate-limited")
        assert refused.document["violated_policies"] == ["streams"]
        assert int(refused.headers["retry-after"]) > 0
    await_place(stream, seconds=5)


def test_a_request_behind_a_stream_holds_no_place(stream: Service) -> None:
    for _ in range(PLACES):
        with connected(stream.port) as client:
            client.sendall(request(stream, STREAM))
            if client.recv(4_096).split()[1] == b"200":
                client.sendall(request(stream, "/health"))
                time.sleep(0.05)
    # It shows with the next sign of life.
    await_place(stream, seconds=40)


def test_a_head_that_does_not_end_is_not_waited_for(stream: Service) -> None:
    begun = time.monotonic()
    heads = (b"", b"GET /health HTTP/1.1\r\nHost: ", handshake(stream)[:-10])
    with ExitStack() as stack:
        clients = [stack.enter_context(connected(stream.port)) for _ in heads]
        for client, head in zip(clients, heads, strict=True):
            client.sendall(head)
        assert all(map(is_reset, clients))
    assert 8 < time.monotonic() - begun < 15


def test_who_reads_nothing_is_gone_soon_and_costs_little(
    stream: Service, attacked: Ground
) -> None:
    before = resident_megabytes(stream)
    with (
        many(3, stream.port, request(stream, STREAM), window=4_096),
        many(3, stream.port, handshake(stream), window=4_096),
    ):
        time.sleep(1)
        assert served_connections(stream) >= 6
        shell(attacked.env, HAPPEN.format(count=3_000))
        await_connections(stream, 0, seconds=20)
        assert resident_megabytes(stream) - before < 20
    await_place(stream, seconds=5)


def test_who_begins_far_behind_and_reads_nothing_costs_little(
    stream: Service, attacked: Ground
) -> None:
    shell(attacked.env, HAPPEN.format(count=1_000))
    before = resident_megabytes(stream)
    first = f"{STREAM}?after=0"
    with many(PLACES // 2, stream.port, request(stream, first), window=4_096):
        time.sleep(3)
        # Each is kept a page of events, and not all that it has missed.
        assert resident_megabytes(stream) - before < 10
    await_place(stream, seconds=20)


def test_pings_whose_answers_are_not_read_end_a_socket(stream: Service) -> None:
    before = resident_megabytes(stream)
    for sent in (handshake(stream), handshake(stream).replace(b"Bearer ", b"Bearer x")):
        with connected(stream.port, window=4_096) as client:
            client.sendall(sent)
            time.sleep(0.5)
            with pytest.raises(ConnectionError):
                flood(client)
    assert resident_megabytes(stream) - before < 10


@pytest.mark.parametrize(("sent", "code"), [(MESSAGE, 4400), (LARGE, 1009)])
def test_a_message_ends_a_socket_however_many_follow(
    stream: Service, sent: bytes, code: int
) -> None:
    with connected(stream.port) as client:
        client.sendall(handshake(stream))
        assert client.recv(4_096).startswith(b"HTTP/1.1 101")
        with suppress(ConnectionError):
            client.sendall(sent * 1_000)
        data = b""
        with suppress(ConnectionError):
            while piece := client.recv(65_536):
                data += piece
        # A close frame begins with 0x88, its length, and the code.
        assert data[:1] + data[2:4] == b"\x88" + code.to_bytes(2, "big")


def test_messages_before_the_handshake_is_answered(stream: Service) -> None:
    with connected(stream.port) as client:
        client.sendall(handshake(stream) + MESSAGE * 1_000)
        assert client.recv(4_096).startswith(b"HTTP/1.1 101")
    await_place(stream, seconds=5)


def test_a_client_that_will_send_no_more_is_let_go(stream: Service) -> None:
    with connected(stream.port) as client:
        client.sendall(request(stream, STREAM))
        assert client.recv(4_096).startswith(b"HTTP/1.1 200")
        client.shutdown(socket.SHUT_WR)
        assert is_reset(client)
    await_place(stream, seconds=5)


@pytest.mark.parametrize(
    ("version", "headers"),
    [("1.0", ()), ("1.1", ("Connection: close",)), ("1.1", ("Connection: upgrade",))],
)
def test_a_stream_takes_every_kind_of_connection(
    stream: Service, version: str, headers: tuple[str, ...]
) -> None:
    with connected(stream.port) as client:
        client.sendall(request(stream, STREAM, *headers, version=version))
        data = b""
        while b"retry: 3000\nid: " not in data:
            data += client.recv(4_096)
        assert data.startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", STREAM, 200),
        ("POST", STREAM, 405),
        ("OPTIONS", STREAM, 405),
        ("HEAD", SOCKET, 426),
        ("POST", SOCKET, 405),
    ],
)
def test_other_methods_hold_no_place(
    stream: Service, method: str, path: str, status: int
) -> None:
    for _ in range(PLACES):
        with connected(stream.port) as client:
            client.sendall(request(stream, path, method=method))
            assert int(client.recv(4_096).split()[1]) == status
    await_place(stream, seconds=5)


@pytest.mark.parametrize(
    "last",
    [
        *("", "x", "-1", "1.0", "0x1", "²", "\xff", "1,2", "9" * 13, "0" * 500),
        "999999999999",
    ],
)
def test_an_odd_last_event_is_refused(stream: Service, last: str) -> None:
    sent = request(stream, STREAM, f"Last-Event-ID: {last}")
    with connected(stream.port) as client:
        client.sendall(sent.decode().encode("latin-1"))
        assert answer(client).status == 400


def test_as_many_types_as_fit_are_refused_in_words(stream: Service) -> None:
    types = ",".join(f"vm.{number}" for number in range(1_000))
    assert opens(stream, f"{STREAM}?type={types}") == 400
    assert opens(stream, f"{STREAM}?type={types},{types}") == 414
