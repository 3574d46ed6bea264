"""A proxy in front of Nova that loses answers: the request got through, nobody hears."""

import http.client
import re
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import urlsplit


class Proxy:
    """Passes requests on to ``upstream``, the URL of a service."""

    def __init__(self, upstream: str) -> None:
        self._upstream = urlsplit(upstream)
        self._losing: list[re.Pattern[str]] = []
        #: What the latest request authenticated with.
        self.token = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}{self._upstream.path}"
        serve = partial(self._server.serve_forever, poll_interval=0.01)
        threading.Thread(target=serve, daemon=True).start()

    def lose(self, *patterns: str) -> None:
        """Lose the next answer to a ``METHOD PATH BODY`` that matches, once for each."""
        self._losing += [re.compile(pattern) for pattern in patterns]

    @property
    def lost_all(self) -> bool:
        """Whether every answer that was to be lost has been."""
        return not self._losing

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def loses(self, request: str) -> bool:
        for pattern in self._losing:
            if pattern.search(request):
                self._losing.remove(pattern)
                return True
        return False

    def connect(self) -> http.client.HTTPConnection:
        host, port = self._upstream.hostname, self._upstream.port
        return http.client.HTTPConnection(host or "", port, timeout=60)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    #: Headers that belong to one connection (RFC 9110, 7.6.1).
    _own: ClassVar = {"connection", "transfer-encoding", "content-length", "keep-alive"}

    def __init__(self, proxy: Proxy, *args: object) -> None:
        self._proxy = proxy
        super().__init__(*args)  # type: ignore[arg-type]  # what the server gives

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._proxy.token = self.headers.get("X-Auth-Token", "")
        upstream = self._proxy.connect()
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if self._proxy.loses(f"{self.command} {self.path} {body.decode()}"):
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in self._own:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815  # the server's names

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
