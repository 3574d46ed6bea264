"""One call, and its end."""

import io
import re
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from typing import Any, Self

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse

from compute.egress.errors import Unreachable
from compute.egress.places import DNS_DEADLINE, Resolve, permitted_addresses, resolve
from compute.egress.urls import Target, parse
from compute.limits import MAX_EXCERPT

#: Seconds for a whole call, and for what follows the headers of its answer.
DEADLINE = 15.0
BODY_DEADLINE = 1.0
#: Bytes of an answer that are read, its headers included.
MAX_READ = 65_536
#: Addresses of a name that are tried, one after the other.
MAX_TRIED = 3

_UNPRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    #: The beginning of the body.
    excerpt: str
    #: The header Retry-After, as it was sent.
    retry_after: str | None = None


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    seconds: float = DEADLINE,
    resolve: Resolve = resolve,
    context: ssl.SSLContext | None = None,
) -> Answer:
    """Send a POST; return the answer, whatever its status.

    Raises Refused if the URL may not be called, and Unreachable if there is no answer
    within so many seconds. ``context`` has the certificates that are trusted.
    """
    give_up = time.monotonic() + seconds
    target = parse(url)
    addresses = permitted_addresses(
        target, seconds=min(seconds, DNS_DEADLINE), resolve=resolve
    )
    try:
        connection = _connection(target, addresses, give_up, context)
        with closing(connection), _Bounded(connection.sock, give_up) as bounded:
            connection.sock = bounded
            return _exchange(connection, bounded, target, body, headers)
    except TimeoutError as error:
        raise Unreachable(f"No whole answer within {seconds:.0f} s.") from error
    except (OSError, HTTPException, HTTPError) as error:
        raise Unreachable(_reason(error)) from error


def _connection(
    target: Target,
    addresses: Sequence[str],
    give_up: float,
    context: ssl.SSLContext | None,
) -> HTTPConnection:
    """Connect to the first address that takes it; the name's certificate is checked."""
    tried = addresses[:MAX_TRIED]
    for number, address in enumerate(tried, start=1):
        # One that is silent leaves time for the others.
        timeout = _left(give_up) / (len(tried) - number + 1)
        if target.scheme == "https":
            connection: HTTPConnection = HTTPSConnection(
                address,
                target.port,
                timeout=timeout,
                ssl_context=context or _trusting(),
                server_hostname=target.host,
            )
        else:
            connection = HTTPConnection(address, target.port, timeout=timeout)
        try:
            connection.connect()
        except (OSError, HTTPError):
            connection.close()
            if number == len(tried):
                raise
        else:
            return connection
    raise AssertionError("there is an address")


@cache
def _trusting() -> ssl.SSLContext:
    """Return what trusts the certificates that this machine does (SSL_CERT_FILE)."""
    return ssl.create_default_context()


def _exchange(
    connection: HTTPConnection,
    bounded: "_Bounded",
    target: Target,
    body: bytes,
    headers: Mapping[str, str],
) -> Answer:
    connection.timeout = _left(bounded.give_up)
    connection.request(
        "POST",
        target.path,
        body=body,
        headers={"Host": target.authority, **headers},
        preload_content=False,
        decode_content=False,
    )
    response = connection.getresponse()
    # The status is the answer: what is said beside it is not waited for.
    bounded.give_up = min(bounded.give_up, time.monotonic() + BODY_DEADLINE)
    return Answer(
        response.status, _excerpt(response), response.headers.get("Retry-After")
    )


def _excerpt(response: HTTPResponse) -> str:
    """Return the beginning of the body, as far as it came in time."""
    text = b""
    with suppress(OSError, HTTPException, HTTPError):
        while len(text) < MAX_EXCERPT:
            piece = response.read1(MAX_EXCERPT - len(text), decode_content=False)
            if not piece:
                break
            text += piece
    return _UNPRINTED.sub("", text.decode(errors="replace"))


class _Bounded:
    """A connected socket on which nothing lasts beyond a time, or is read without end."""

    def __init__(self, connected: Any, give_up: float) -> None:
        self._connected = connected
        self.give_up = give_up

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connected, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connected.close()

    def close(self) -> None:
        """Stay: http.client closes it before the body of an answer that ends with it."""

    def sendall(self, data: Any) -> None:
        view = memoryview(data).cast("B")
        while view:
            self._connected.settimeout(_left(self.give_up))
            view = view[self._connected.send(view[:16_384]) :]

    def makefile(self, mode: str, *args: Any, **kwargs: Any) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self))


class _Incoming(io.RawIOBase):
    """What comes back."""

    def __init__(self, connected: _Bounded) -> None:
        self._connected = connected
        self._left = MAX_READ

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            raise HTTPException("The answer is too long.")
        self._connected.settimeout(_left(self._connected.give_up))
        count: int = self._connected.recv_into(memoryview(buffer)[: self._left])
        self._left -= count
        return count


def _left(give_up: float) -> float:
    """Return the seconds that are left, or raise TimeoutError."""
    left = give_up - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reason(error: Exception) -> str:
    """Return what went wrong in words, without what a library shows of its objects."""
    cause: BaseException = error
    while cause.__cause__ or cause.__context__:
        cause = cause.__cause__ or cause.__context__ or cause
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"The certificate is not valid: {cause.verify_message}."
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror}."
    return str(cause) or type(cause).__name__
