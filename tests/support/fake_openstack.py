"""An HTTP server that plays Keystone, Nova, Glance and Neutron with lines we give it."""

import json
import socket
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from providers.contract.servers import ServerSpec

REQUEST_ID = "req-0f9d1c52-6a3e-4a53-8a3c-5b1f0e6d7c21"
NOVA_ID = "req-5e1f2ad0-9b8a-4d39-b6cf-1a2b3c4d5e6f"
SERVER = "/compute/v2.1/servers/one"
ACTION = f"{SERVER}/action"
SERVERS = "/compute/v2.1/servers/detail"
IMAGES = "/image/v2/images"
NEUTRON = "/network/v2.0"
NETWORKS = f"{NEUTRON}/networks"


@dataclass(frozen=True, slots=True)
class Line:
    """One answer."""

    status: int = 200
    body: object = None
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    #: Close the connection instead of answering.
    drop: bool = False
    #: Close it in the middle of the answer.
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """What the driver sent."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: Any


class Stage:
    """Answers each path with the lines put for it, the last one again and again."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self._lines: dict[tuple[str, str], deque[Line]] = defaultdict(deque)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()
        self.speak("GET", "/v3", Line(body={"version": self._version("v3.14", "/v3/")}))
        self.speak("POST", "/v3/auth/tokens", self.token())
        self.microversions("2.1", "2.104")
        image = {"versions": [self._version("v2.16", "/image/v2/")]}
        self.speak("GET", "/image", Line(body=image))
        network = {"versions": [self._version("v2.0", "/network/v2.0/")]}
        self.speak("GET", "/network", Line(body=network))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def cloud(self, *, password: str, auth_url: str = "") -> dict[str, Any]:
        """Return its entry in clouds.yaml."""
        auth = {
            "auth_url": auth_url or f"{self.url}/v3",
            "username": "demo",
            "password": password,
            "project_name": "demo",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return {"region_name": "RegionOne", "auth": auth}

    def speak(self, method: str, path: str, *lines: Line) -> None:
        """Answer requests for a path with these lines from now on."""
        self._lines[method, path.rstrip("/")] = deque(lines)

    def token(self) -> Line:
        """Return a token that is good for an hour, with the catalogue."""
        ends = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
        services = {
            "compute": "/compute/v2.1",
            "image": "/image",
            "network": "/network",
        }
        catalog = [
            {
                "type": kind,
                "name": kind,
                "endpoints": [
                    {
                        "interface": "public",
                        "region": "RegionOne",
                        "region_id": "RegionOne",
                        "url": self.url + path,
                    }
                ],
            }
            for kind, path in services.items()
        ]
        token = {
            "expires_at": ends,
            "project": {"id": "ours", "name": "demo"},
            "user": {"id": "u", "name": "demo"},
            "catalog": catalog,
        }
        return Line(201, {"token": token}, {"X-Subject-Token": "secret-token"})

    def microversions(self, least: str, most: str) -> None:
        """Have Nova speak these compute microversions."""
        version = self._version("v2.1", "/compute/v2.1/")
        version |= {"version": most, "min_version": least}
        self.speak("GET", "/compute/v2.1", Line(body={"version": version}))

    def _version(self, number: str, path: str) -> dict[str, Any]:
        link = {"rel": "self", "href": self.url + path}
        return {"id": number, "status": "CURRENT", "links": [link]}

    def sent(self, method: str, path: str) -> list[Request]:
        """Return the requests of one kind, oldest first."""
        return [r for r in self.requests if (r.method, r.path) == (method, path)]

    def answer(self, request: Request) -> Line:
        self.requests.append(request)
        lines = self._lines.get((request.method, request.path.rstrip("/")))
        if not lines:
            return Line(404, {"itemNotFound": {"message": "nothing here"}})
        return lines.popleft() if len(lines) > 1 else lines[0]


def _handler(stage: Stage) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            url = urlsplit(self.path)
            line = stage.answer(
                Request(
                    method=self.command,
                    path=url.path,
                    query=parse_qs(url.query),
                    headers=dict(self.headers.items()),
                    body=json.loads(raw) if raw else None,
                )
            )
            time.sleep(line.delay)
            if line.drop:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            text = line.body if isinstance(line.body, str) else json.dumps(line.body)
            self.send_response(line.status)
            for name, value in line.headers.items():
                self.send_header(name, value)
            data = text.encode()
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if line.cut else data)
            self.close_connection = line.cut

        do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815  # http.server's own names

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def server(**changes: Any) -> dict[str, Any]:
    return {
        "id": "one",
        "name": "web",
        "status": "ACTIVE",
        "created": "2026-11-23T10:59:37Z",
        "updated": "2026-11-23T11:00:00Z",
        "OS-EXT-STS:task_state": None,
        "OS-SRV-USG:launched_at": "2026-11-23T10:59:45.000000",
        "flavor": {"original_name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 5},
        "image": {"id": "cirros"},
        "addresses": {
            "private": [
                {
                    "addr": "10.0.0.4",
                    "version": 4,
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": "fa:16:3e:00:00:01",
                }
            ]
        },
        "tags": ["vm-1"],
        "locked": False,
        "key_name": None,
        **changes,
    }


def network(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"id-of-{name}",
        "name": name,
        "description": "",
        "shared": False,
        "router:external": False,
        "mtu": 1450,
        "project_id": "ours",
        **changes,
    }


def spec(**changes: Any) -> ServerSpec:
    return ServerSpec(
        **{"name": "web", "flavor_id": "1", "image_id": "i", "tag": "vm-1", **changes}
    )
