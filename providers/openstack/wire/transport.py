"""Requests to a cloud: connections, timeouts, the microversion, errors.

Everything that goes over the wire, tokens and discovery included, passes `_Adapter`.
"""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import parse_qs, urlsplit

import requests
from keystoneauth1 import exceptions as ksa
from keystoneauth1.discover import normalize_version_number, version_match
from keystoneauth1.session import TCPKeepAliveAdapter
from openstack.config import OpenStackConfig
from openstack.config.cloud_region import CloudRegion
from openstack.connection import Connection
from openstack.exceptions import ConfigException, SDKException
from openstack.proxy import Proxy
from openstack.utils import maximum_supported_microversion
from urllib3.exceptions import NewConnectionError

from providers.errors import (
    ProviderError,
    Timeout,
    Unauthorized,
    Unavailable,
    UnexpectedResponse,
    Unreachable,
)
from providers.openstack.wire.refusals import refusal, request_id_of, retry_after_of
from providers.openstack.wire.scope import Scope, ScopedConfig

Service = Literal["nova", "glance", "neutron"]
Json = dict[str, Any]
Params = Mapping[str, str | int | Sequence[str]]

#: Below it (2.69, Stein, 2019) a cell that is down is left out of listings in silence,
#: and absence would prove nothing. Tags (2.52), the embedded flavor (2.47) and our
#: request id in Nova's log (2.46) come with it.
MINIMUM_MICROVERSION = "2.69"
#: What we were written for; 2.84 tells why an action failed. Later ones add nothing
#: that we read, and make listings larger.
PREFERRED_MICROVERSION = "2.96"
#: Seconds to set up a TCP connection; the rest of a call's time is for the answer.
CONNECT_TIMEOUT = 5.0
#: Seconds for which a host that took no connection is not asked again: a thousand
#: calls to one that is away must not keep those to the others waiting.
REST_SECONDS = 15.0

_PROXIES = {"nova": "compute", "glance": "image", "neutron": "network"}


class _Adapter(TCPKeepAliveAdapter):
    """Gives each request what is left of its call's time, and says how it failed.

    keystoneauth makes one exception of connect and read timeouts, and none of its
    own tells whether a request was sent at all.
    """

    def __init__(
        self,
        auth_url: str,
        count_request: Callable[[], None],
        silent: dict[str, float],
    ) -> None:
        super().__init__()
        self._auth_url = auth_url
        self._count_request = count_request
        #: Until when hosts are not asked.
        self._silent = silent
        self.service: str = "keystone"
        self.deadline = 0.0

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        left = self.deadline - time.monotonic()
        url = str(request.url)
        service = "keystone" if url.startswith(self._auth_url) else self.service
        host = urlsplit(url).netloc
        if left <= 0:
            raise Timeout(f"No time left for {url}", service=service)
        if time.monotonic() < self._silent.get(host, 0.0):
            raise Unreachable(f"{host} took no connection lately", service=service)
        self._count_request()
        kwargs["timeout"] = (min(CONNECT_TIMEOUT, left), left)
        try:
            return super().send(request, *args, **kwargs)
        except (requests.ConnectionError, requests.Timeout) as exc:
            if isinstance(exc, requests.ConnectTimeout) and left >= CONNECT_TIMEOUT:
                self._silent[host] = time.monotonic() + REST_SECONDS
            raise _failure(exc, url, service) from exc


def _failure(exc: requests.RequestException, url: str, service: str) -> ProviderError:
    """Return what it means that a request got no answer."""
    if _never_connected(exc):
        return Unreachable(f"Cannot reach {url}", service=service)
    late = isinstance(exc, requests.Timeout)
    words = f"{url} did not answer in time" if late else f"{url} broke the connection"
    if service == "keystone":  # what was asked for is not sent without a token
        return Unreachable(words, service=service)
    return (Timeout if late else Unavailable)(words, service=service)


def _never_connected(exc: requests.RequestException) -> bool:
    if isinstance(exc, requests.ConnectTimeout | requests.exceptions.SSLError):
        return True
    cause = exc.args[0] if exc.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


@dataclass(slots=True)
class _Line:
    """One connection, used by one thread at a time."""

    connection: Connection
    adapter: _Adapter
    microversion: str = ""


class Transport:
    """Sends requests to one cloud of clouds.yaml.

    Each thread that sends takes a connection of its own for the time of a call; a
    connection authenticates once, and again when its token ends. ``scope``: the project
    to work in; ``None``: the one that clouds.yaml names. Raises ValueError for a cloud
    that clouds.yaml does not have, or whose account cannot be put in another project.
    """

    def __init__(
        self,
        cloud: str,
        *,
        timeout: float,
        page_size: int,
        count_request: Callable[[], None],
        scope: Scope | None = None,
    ) -> None:
        self._timeout = timeout
        self._paging: Params = {"limit": page_size} if page_size else {}
        self._count_request = count_request
        self._cloud = cloud
        # One per connection would read the file again; it is not made for threads.
        self._config = (
            OpenStackConfig(app_name="vmmanager")
            if scope is None
            else ScopedConfig(scope, app_name="vmmanager")
        )
        self._config_lock = threading.Lock()
        self._region()
        self._idle: deque[_Line] = deque()
        self._silent: dict[str, float] = {}
        self._pid = os.getpid()

    @property
    def project_id(self) -> str:
        """The project our credentials are for."""
        with self._line("keystone", self._timeout) as line:
            return str(line.connection.current_project_id)

    def request(
        self,
        service: Service,
        method: str,
        path: str,
        *,
        json: Json | None = None,
        params: Params | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> requests.Response:
        """Send one request and return its answer, a success.

        ``request_id`` is ours; Nova logs it as the global request id. ``timeout`` may
        be shorter than the cloud's. Raises the `providers.errors.ProviderError` that
        the answer, or its absence, means.
        """
        with self._line(service, timeout or self._timeout) as line:
            proxy = cast(Proxy, getattr(line.connection, _PROXIES[service]))
            options: dict[str, Any] = {}
            if service == "nova":
                options["microversion"] = _microversion(line, proxy)
            if json is not None:
                options["json"] = json
            answer = proxy.request(
                path,
                method,
                params=dict(params or {}),
                global_request_id=request_id,
                **options,
            )
        if answer.status_code >= 400:
            raise refusal(service, answer)
        return answer

    def read(
        self, service: Service, path: str, *, params: Params | None = None
    ) -> Json:
        """Return the JSON object that a GET answers with."""
        return body_of(service, self.request(service, "GET", path, params=params))

    def read_all(
        self, service: Service, path: str, key: str, *, params: Params | None = None
    ) -> list[Json]:
        """Return what all pages of a listing have under ``key``.

        Every service cuts a listing at its own limit even if none was asked for, and
        says so by a link to the next page.
        """
        found: list[Json] = []
        following: Params | None = {**self._paging, **(params or {})}
        while following is not None:
            body = self.read(service, path, params=following)
            found += body[key]
            following = _next_page(body, key)
        return found

    @contextmanager
    def _line(self, service: str, timeout: float) -> Iterator[_Line]:
        if os.getpid() != self._pid:  # sockets must not be shared with our parent
            self._idle, self._pid = deque(), os.getpid()
        line: _Line | None = None
        try:
            line = self._idle_line() or self._connect()
            line.adapter.service = service
            line.adapter.deadline = time.monotonic() + timeout
            yield line
        except ProviderError:
            raise
        except ksa.Unauthorized as exc:
            raise Unauthorized(str(exc), service="keystone", status=401) from exc
        except ksa.HttpError as exc:  # of a token or of discovery: nothing was sent yet
            raise Unreachable(
                str(exc),
                service="keystone",
                status=exc.http_status,
                request_id=exc.request_id,
                retry_after=(
                    None if exc.response is None else retry_after_of(exc.response)
                ),
            ) from exc
        except ksa.ConnectionError as exc:  # it broke in the middle of an answer
            raise Unavailable(str(exc), service=service) from exc
        except (ksa.ClientException, SDKException) as exc:
            raise UnexpectedResponse(
                f"{type(exc).__name__}: {exc}", service=service
            ) from exc
        finally:
            if line is not None:
                self._idle.append(line)

    def _idle_line(self) -> _Line | None:
        try:
            return self._idle.pop()
        except IndexError:  # of two threads that see the last one, one gets it
            return None

    def _connect(self) -> _Line:
        region = self._region()
        connection = Connection(config=region)
        auth_url = str(region.config["auth"].get("auth_url", ""))
        adapter = _Adapter(auth_url, self._count_request, self._silent)
        for scheme in ("http://", "https://"):
            connection.session.mount(scheme, adapter)
        return _Line(connection, adapter)

    def _region(self) -> CloudRegion:
        try:
            with self._config_lock:
                return self._config.get_one(cloud=self._cloud)
        except (ConfigException, ksa.ClientException) as exc:
            raise ValueError(f"clouds.yaml, {self._cloud!r}: {exc}") from exc


def _microversion(line: _Line, proxy: Proxy) -> str:
    """Return the compute microversion to speak, agreed once per connection."""
    if not line.microversion:
        agreed = maximum_supported_microversion(proxy, PREFERRED_MICROVERSION)
        if agreed is None or not version_match(
            normalize_version_number(MINIMUM_MICROVERSION),
            normalize_version_number(agreed),
        ):
            raise UnexpectedResponse(
                f"Nova speaks microversion {agreed or '2.1'} at most;"
                f" {MINIMUM_MICROVERSION} is needed"
            )
        line.microversion = agreed
    return line.microversion


def _next_page(body: Json, key: str) -> Params | None:
    """Return the query of the next page: a link's host may be one we cannot reach."""
    # Nova and Neutron name them after the listing, but for the actions of a server.
    links = body.get(f"{key}_links") or body.get("links") or ()
    hrefs = {link["rel"]: link["href"] for link in links}
    href = hrefs.get("next") or body.get("next")  # the latter is Glance's
    return parse_qs(urlsplit(href).query) if href else None


def body_of(service: Service, answer: requests.Response) -> Json:
    """Return the JSON object of an answer.

    Raises `providers.errors.UnexpectedResponse` for anything else.
    """
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise UnexpectedResponse(
            "The answer is no JSON object",
            service=service,
            status=answer.status_code,
            request_id=request_id_of(answer),
        )
    return body
