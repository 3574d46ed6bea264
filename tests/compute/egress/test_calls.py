"""One call: where it goes, when it ends, and what is kept of the answer."""

import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID
from pytest_django import Settings

from compute.egress import Refused, Unreachable, post
from compute.limits import MAX_EXCERPT
from tests.support.receivers import Handler, receiving, status

BODY = b'{"specversion":"1.0"}'


def here(host: str, port: int, seconds: float) -> Sequence[str]:
    """Resolve every name to this machine."""
    return ["127.0.0.1"]


@pytest.fixture(params=["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def proxied(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(request.param, "http://127.0.0.1:9")


# Where it goes


@pytest.mark.usefixtures("proxied")
def test_it_goes_to_the_address_that_was_judged_under_its_name() -> None:
    with receiving(status(200, b"thanks")) as receiver:
        url = f"http://hooks.example.com:{receiver.port}/a?b=c"
        answer = post(url, BODY, {"X-One": "1"}, resolve=here)
    assert (answer.status, answer.excerpt) == (200, "thanks")
    (got,) = receiver.got
    assert (got.path, got.body) == ("/a?b=c", BODY)
    assert got.headers["host"] == f"hooks.example.com:{receiver.port}"
    assert got.headers["x-one"] == "1"
    assert not {"authorization", "cookie"} & got.headers.keys()


def test_a_name_is_looked_up_once_for_a_call() -> None:
    """One that is public first and private then gets no second look."""
    asked: list[str] = []

    def rebinding(host: str, port: int, seconds: float) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    with receiving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        assert post(url, BODY, {}, resolve=rebinding).status == 204
        assert asked == ["hooks.example.com"]
        with pytest.raises(Refused):
            post(url, BODY, {}, resolve=rebinding)
    assert len(receiver.got) == 1


def test_nothing_is_sent_if_one_of_its_addresses_is_bad() -> None:
    with receiving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        with pytest.raises(Refused):
            post(url, BODY, {}, resolve=lambda *_: ["127.0.0.1", "169.254.169.254"])
    assert receiver.got == []


def test_an_address_that_takes_nothing_leaves_the_next_one() -> None:
    with receiving() as receiver:
        url = f"http://hooks.example.com:{receiver.port}/"
        answer = post(url, BODY, {}, resolve=lambda *_: ["127.0.0.99", "127.0.0.1"])
    assert answer.status == 204


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "http://169.254.169.254/latest", "/again"]
)
@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(code: int, location: str) -> None:
    with receiving(status(code, Location=location)) as receiver:
        assert post(receiver.url, BODY, {}).status == code
    assert len(receiver.got) == 1


def test_loopback_is_refused_outside_of_development(settings: Settings) -> None:
    settings.WEBHOOK_ALLOW_LOOPBACK = False
    with receiving() as receiver, pytest.raises(Refused):
        post(receiver.url, BODY, {})
    assert receiver.got == []


# When it ends


def test_one_who_answers_nothing_is_left() -> None:
    with receiving() as receiver:
        receiver.answer = receiver.hang
        began = time.monotonic()
        with pytest.raises(Unreachable, match="No whole answer"):
            post(receiver.url, BODY, {}, seconds=0.3)
    assert time.monotonic() - began < 2


def test_one_who_answers_a_byte_at_a_time_is_left() -> None:
    def drip(handler: Handler) -> None:
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000:
            handler.wfile.write(bytes([byte]))
            time.sleep(0.05)

    with receiving(drip) as receiver:
        began = time.monotonic()
        with pytest.raises(Unreachable):
            post(receiver.url, BODY, {}, seconds=0.4)
    assert time.monotonic() - began < 2


def test_a_body_that_never_ends_is_an_answer_nevertheless() -> None:
    def flood(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not handler.receiver.closed.is_set():
            handler.wfile.write(b"a" * 65_536)

    with receiving(flood) as receiver:
        answer = post(receiver.url, BODY, {})
    assert answer.status == 200
    assert answer.excerpt == "a" * MAX_EXCERPT


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    def promise(handler: Handler) -> None:
        handler.send_response(503)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"busy")
        handler.receiver.closed.wait(30)

    with receiving(promise) as receiver:
        began = time.monotonic()
        answer = post(receiver.url, BODY, {})
    assert (answer.status, answer.excerpt) == (503, "busy")
    assert time.monotonic() - began < 3


def test_endless_headers_are_refused() -> None:
    def flood(handler: Handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not handler.receiver.closed.is_set():
            handler.wfile.write(b"X-A: " + b"a" * 1000 + b"\r\n")

    with receiving(flood) as receiver, pytest.raises(Unreachable):
        post(receiver.url, BODY, {}, seconds=5)


def test_one_who_does_not_speak_http_is_unreachable() -> None:
    def mumble(handler: Handler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")

    with receiving(mumble) as receiver, pytest.raises(Unreachable):
        post(receiver.url, BODY, {})


def test_nobody_there_is_unreachable() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match="refused"):
        post(f"http://127.0.0.1:{port}/", BODY, {})


# What is kept


def test_what_is_kept_can_be_printed_and_stored() -> None:
    with receiving(status(500, b"\x00\x1b[31mred\xff\r\n")) as receiver:
        assert (
            post(receiver.url, BODY, {}).excerpt == "[31mred\N{REPLACEMENT CHARACTER}\n"
        )


def test_a_compressed_answer_is_not_unpacked() -> None:
    with receiving(status(200, b"\x1f\x8b" + b"0" * 50, Content_Encoding="gzip")) as r:
        assert post(r.url, BODY, {}).status == 200


def test_retry_after_is_kept_as_sent() -> None:
    with receiving(status(429, Retry_After="120")) as receiver:
        assert post(receiver.url, BODY, {}).retry_after == "120"


# TLS


@contextmanager
def certificate(folder: Path, host: str) -> Iterator[ssl.SSLContext]:
    """Return the context of a server that proves to be a host; sign it by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    try:
        proven: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        proven = x509.DNSName(host)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([proven]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    yield context


def trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "cert.pem"))


def test_the_certificate_is_that_of_the_name(tmp_path: Path) -> None:
    with (
        certificate(tmp_path, "hooks.example.com") as context,
        receiving(context=context) as receiver,
    ):
        port, trusted = receiver.port, trusting(tmp_path)
        url = f"https://hooks.example.com:{port}/"
        assert post(url, BODY, {}, resolve=here, context=trusted).status == 204
        other = f"https://other.example.com:{port}/"
        with pytest.raises(Unreachable, match="certificate is not valid"):
            post(other, BODY, {}, resolve=here, context=trusted)
        with pytest.raises(Unreachable, match="certificate is not valid"):
            post(url, BODY, {}, resolve=here)
    assert len(receiver.got) == 1


def test_an_address_can_have_a_certificate(tmp_path: Path) -> None:
    with (
        certificate(tmp_path, "127.0.0.1") as context,
        receiving(context=context) as receiver,
    ):
        answer = post(receiver.url, BODY, {}, context=trusting(tmp_path))
    assert answer.status == 204


def test_a_handshake_that_hangs_is_left() -> None:
    # The system takes the connection; nobody answers on it.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        with pytest.raises(Unreachable):
            post(f"https://127.0.0.1:{port}/", BODY, {}, seconds=0.3)
    assert time.monotonic() - began < 2
