"""nginx, as compose.yaml configures it, in front of the service: nobody gets past it."""

import os
import re
import shutil
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.attacks.conftest import Front
from tests.support.deployed import (
    COMPOSE,
    HOST,
    ROOT,
    eventually,
    free_port,
    listening,
    run,
    running,
)
from tests.support.slow_clients import (
    PROMPT,
    answer,
    answers,
    bearer,
    connected,
    many,
    post,
    request,
    send,
    watching,
)
from tests.support.streaming import PAUSE

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.slow,
    pytest.mark.once,  # it brings its own database
    pytest.mark.skipif(
        NGINX is None and "CI" not in os.environ, reason="nginx is not installed"
    ),
    # One service for all of them, so one test process.
    pytest.mark.xdist_group("attacks"),
]

JSON = "Content-Type: application/json"
#: In its container it is no root, who could not read what is root's here.
FOREGROUND = "daemon off; user root;" if os.geteuid() == 0 else "daemon off;"
#: What nginx.conf gives a client to send all of its headers, or another piece.
CUT_AFTER = 10


@dataclass(frozen=True, slots=True)
class Proxy:
    http: int
    https: int
    certificate: Path
    configuration: Path

    @contextmanager
    def tls(self) -> Iterator[ssl.SSLSocket]:
        context = ssl.create_default_context(cafile=str(self.certificate))
        with (
            connected(self.https) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as client,
        ):
            yield client


def certified(folder: Path) -> None:
    """Make a certificate that nobody else has signed."""
    words = f"req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN={HOST}".split()
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    names = ["-addext", f"subjectAltName=DNS:{HOST}"]
    made = run(["openssl", *words, *files, *names], os.environ)
    assert made.returncode == 0, made.stderr


def configured(replaced: Mapping[str, str]) -> str:
    """Return nginx.conf with the places and ports of this machine."""
    text = (ROOT / "nginx.conf").read_text()
    for there, here in replaced.items():
        assert there in text, there
        text = text.replace(there, here)
    return text


@pytest.fixture(scope="module")
def proxy(front: Front, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    folder = tmp_path_factory.mktemp("nginx")
    certified(folder)
    http, https, stream = free_port(), free_port(), free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        configured(
            {
                "/tmp/": f"{folder}/",  # noqa: S108  # first: the others' new places are there, too
                "listen 8080;": f"listen 127.0.0.1:{http};",
                "listen 8443 ssl;": f"listen 127.0.0.1:{https} ssl;",
                "api:8000": f"127.0.0.1:{front.api}",
                "stream:8000": f"127.0.0.1:{stream}",
                "/etc/nginx/tls/": f"{folder}/",
            }
        )
    )
    nginx = [str(NGINX), "-e", "stderr", "-c", str(configuration), "-g", FOREGROUND]
    checked = run([*nginx, "-t"], os.environ)
    assert checked.returncode == 0, checked.stderr
    assert "warn" not in checked.stderr, checked.stderr
    streams = ["granian", "--interface", "asginl", "--port", str(stream)]
    env = {**os.environ, "PATH": f"{ROOT}/.venv/bin:{os.environ['PATH']}"}
    # As containers begin.
    few_files = ["sh", "-c", 'ulimit -S -n 1024; exec "$@"', "sh"]
    with (
        running(
            [*streams, "tests.support.streaming:application"],
            env=env,
            log=folder / "stream.log",
        ),
        running([*few_files, *nginx], env=os.environ, log=folder / "nginx.log"),
    ):
        for port, name in ((stream, "stream"), (https, "nginx")):
            eventually(
                lambda port=port: listening(port),  # type: ignore[misc]  # bound now
                what=name,
                log=folder / f"{name}.log",
            )
        yield Proxy(http, https, folder / "certificate.pem", configuration)


def test_it_speaks_https_with_the_certificate_it_is_given(proxy: Proxy) -> None:
    with proxy.tls() as client:
        client.sendall(request("GET", "/health"))
        told = answer(client)
        version = client.version()
    assert (told.status, told.body) == (200, b'{"status":"ok"}\n')
    assert version == "TLSv1.3"


def test_plain_http_is_sent_to_https_whatever_a_client_says_it_speaks(
    proxy: Proxy,
) -> None:
    sent = request("GET", "/api/v1/vms").replace(HOST.encode(), f"{HOST}:8080".encode())
    told = send(proxy.http, sent)
    assert told.status == 301
    assert told.headers["location"] == f"https://{HOST}:8080/api/v1/vms"


def test_another_name_is_refused(proxy: Proxy) -> None:
    sent = request("GET", "/api/v1/vms").replace(HOST.encode(), b"evil.example.org")
    assert send(proxy.http, sent).code == "bad-request"


def test_who_a_client_is_it_cannot_say_itself(proxy: Proxy, front: Front) -> None:
    forged = [
        "X-Forwarded-For: 203.0.113.9",
        "X_Forwarded_For: 203.0.113.9",
        "X-Real-IP: 203.0.113.9",
        "Forwarded: for=203.0.113.9;proto=https;host=evil.example.org",
        "X-Forwarded-Host: evil.example.org",
    ]
    with proxy.tls() as client:
        client.sendall(request("POST", "/api/v1/vms", bearer(front.reader), *forged))
        assert answer(client).status == 403
        client.sendall(request("GET", "/api/v1/events?per_page=1", bearer(front.admin)))
        told = answer(client).document
    (event,) = told["results"]
    assert event["type"] == "request.refused"
    assert event["data"]["address"] == "127.0.0.1"
    assert told["next"] is None or told["next"].startswith(f"https://{HOST}/")


def test_what_is_too_large_is_refused_as_the_api_would(
    proxy: Proxy, front: Front
) -> None:
    token = bearer(front.reader)
    for sent, status, code in (
        (post("/api/v1/vms", "", JSON, length=2_000_000), 413, "payload-too-large"),
        (request("GET", f"/api/v1/vms?name={'n' * 9_000}"), 414, "uri-too-long"),
        (
            request("GET", "/api/v1/vms", f"Prefer: {'p' * 9_000}"),
            431,
            "header-too-large",
        ),
        (
            request("GET", "/api/v1/vms", *(f"X-{n}: {'f' * 8_000}" for n in range(5))),
            431,
            "header-too-large",
        ),
        (request("GET", "/api/v1/vms", token, f"Prefer: {'p' * 8_100}"), 200, ""),
    ):
        with proxy.tls() as client:
            client.sendall(sent)
            told = answer(client)
        assert told.status == status, told
        if code:
            assert told.code == code
            assert told.document["status"] == status


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"NONSENSE\r\n\r\n", 400, "bad-request"),
        (request("GET", "/health", "Content-Length: -1"), 400, "bad-request"),
        (request("TRACE", "/health"), 405, "method-not-allowed"),
        (
            request("POST", "/api/v1/vms", "Transfer-Encoding: gzip, chunked"),
            400,
            "bad-request",
        ),
    ],
    ids=["no request", "length", "method", "coding"],
)
def test_what_it_refuses_by_itself_is_a_problem(
    proxy: Proxy, sent: bytes, status: int, code: str
) -> None:
    told = send(proxy.http, sent)
    assert (told.status, told.code) == (status, code)
    assert told.document["status"] == status


def test_a_service_that_is_away_is_a_problem_too(
    proxy: Proxy, front: Front, tmp_path: Path
) -> None:
    http, text = free_port(), proxy.configuration.read_text()
    for there, here in (
        (f":{front.api};", f":{free_port()};"),
        (f"{proxy.http};", f"{http};"),
        (f"{proxy.https} ssl;", f"{free_port()} ssl;"),
        ("nginx.pid", "second.pid"),
    ):
        assert there in text
        text = text.replace(there, here)
    configuration, log = tmp_path / "nginx.conf", tmp_path / "nginx.log"
    configuration.write_text(text)
    second = [str(NGINX), "-e", "stderr", "-c", str(configuration)]
    with running([*second, "-g", FOREGROUND], env=os.environ, log=log):
        eventually(lambda: listening(http), what="nginx", log=log)
        told = send(http, request("GET", "/api/v1/vms"))
    assert (told.status, told.code) == (503, "not-ready")
    assert told.document["retryable"] is True
    assert told.headers["retry-after"] == "5"


def test_a_few_files_are_enough_to_begin_with(proxy: Proxy) -> None:
    assert (
        "resource limit" not in (proxy.configuration.parent / "nginx.log").read_text()
    )


def test_plain_http_is_told_where_tls_is_spoken(proxy: Proxy) -> None:
    assert send(proxy.https, request("GET", "/health")).code == "bad-request"


def test_a_body_without_a_length_is_given_one(proxy: Proxy, front: Front) -> None:
    with proxy.tls() as client:
        chunked = ("Transfer-Encoding: chunked", JSON, bearer(front.admin))
        client.sendall(
            request("POST", "/api/v1/vms", *chunked) + b"2\r\n{}\r\n0\r\n\r\n"
        )
        assert answer(client).code == "validation-error"


def test_slow_clients_hold_nothing_and_are_cut(proxy: Proxy, front: Front) -> None:
    """Of each kind nearly as many as one address may have."""
    script = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"
    quick = post("/api/v1/vms", "{}", JSON, bearer(front.admin))
    slow_head = request("GET", "/health")[:-2] + b"X-Slow: "
    slow_body = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000)
    slow_read = request("GET", script)
    with ExitStack() as stack:
        through = stack.enter_context(watching(proxy.http))
        beside = stack.enter_context(watching(front.api))
        begun = time.monotonic()
        heads = stack.enter_context(many(300, proxy.http, slow_head))
        bodies = stack.enter_context(
            many(90, proxy.http, slow_body, source="127.0.0.2")
        )
        stack.enter_context(
            many(90, proxy.http, slow_read, window=2048, source="127.0.0.3")
        )
        with proxy.tls() as client:
            client.sendall(quick)
            assert answer(client).code == "validation-error"
        assert time.monotonic() - begun < 3 * PROMPT
        for slow in (heads[0], heads[-1], bodies[0], bodies[-1]):
            slow.settimeout(CUT_AFTER + 5)
            with suppress(ConnectionResetError):
                assert slow.recv(1) == b""
        assert CUT_AFTER - 1 < time.monotonic() - begun < CUT_AFTER + 5
    assert through.worst < PROMPT
    assert beside.worst < PROMPT


def test_one_address_has_so_many_requests_at_once(proxy: Proxy, front: Front) -> None:
    slow = post("/api/v1/vms", "{", JSON, bearer(front.admin), length=1000)
    with many(120, proxy.http, slow, source="127.0.0.4") as clients:
        told = answers(clients, seconds=3)
    assert len(told) == 20
    assert {(answer.status, answer.code) for answer in told} == {(429, "rate-limited")}
    assert {answer.headers["retry-after"] for answer in told} == {"1"}


def test_a_stream_arrives_piece_by_piece(proxy: Proxy) -> None:
    with proxy.tls() as client:
        client.sendall(request("GET", "/api/v1/events/stream", "Connection: close"))
        arrivals, received = [], b""
        while piece := client.recv(65536):
            received += piece
            arrivals += [time.monotonic()] * len(re.findall(rb"id: \d", piece))
    assert received.count(b"id: ") == 3
    assert arrivals[1] - arrivals[0] > PAUSE / 2
    assert arrivals[2] - arrivals[1] > PAUSE / 2


def test_a_websocket_is_let_through(proxy: Proxy) -> None:
    key = "dGhlIHNhbXBsZSBub25jZQ=="
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    with proxy.tls() as client:
        client.sendall(
            request("GET", "/api/v1/events/ws", *upgrade, f"Sec-WebSocket-Key: {key}")
        )
        assert client.recv(4096).startswith(b"HTTP/1.1 101 ")
        # A text of two letters, masked with zeros; what comes back is not masked.
        client.sendall(b"\x81\x82\0\0\0\0hi")
        assert client.recv(16) == b"\x81\x02hi"


def test_nothing_else_is_upgraded(proxy: Proxy, front: Front) -> None:
    upgrade = ("Upgrade: websocket", "Connection: Upgrade")
    with proxy.tls() as client:
        client.sendall(request("GET", "/api/v1/vms", bearer(front.reader), *upgrade))
        assert answer(client).status == 200


def test_its_health_check_tells_up_from_down(proxy: Proxy) -> None:
    kind, *command = COMPOSE["services"]["proxy"]["healthcheck"]["test"]
    assert kind == "CMD"

    def asking(port: int) -> list[str]:
        return [word.replace(":8080", f":{port}") for word in command]

    assert run(asking(proxy.http), os.environ).returncode == 0
    assert run(asking(free_port()), os.environ).returncode != 0
