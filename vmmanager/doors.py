"""Two ways through the middleware: a short one for programs, all of it for browsers."""

from collections.abc import Callable
from typing import Any, cast

from csp.constants import HEADER as CSP_HEADER
from csp.utils import build_policy
from django.conf import settings
from django.core.handlers.base import BaseHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.security import SecurityMiddleware

from compute.api.http.middleware import ProblemMiddleware
from compute.api.http.problems import is_browser
from compute.engine.waiting import resumed_by

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Where programs ask; everything else is pages and their files.
_PROGRAMS = ("/api/", "/health")


class DoorsMiddleware:
    """Send requests of programs to their view without what only browsers need.

    Sessions, the CSRF check, logins by cookie and messages all hang on a cookie, so that
    a request without one loses nothing. Their answers have the same headers.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self._browsers = get_response
        self._security = SecurityMiddleware(get_response)
        self._programs = _short_way(self._security)
        self._headers = {
            CSP_HEADER: build_policy(),
            "X-Frame-Options": settings.X_FRAME_OPTIONS,
        }

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # One that goes on has been through all of it: what fails there now, as a session
        # that cannot be read, must not hide the answer to what is done.
        if not (resumed_by(request) or is_of_a_program(request)):
            return self._browsers(request)
        response = self._programs(request)
        headers = response.headers
        for name, value in self._headers.items():
            headers[name] = value
        if not response.streaming and "Content-Length" not in headers:
            headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]  # it does not stream
        return self._security.process_response(request, response)  # type: ignore[arg-type]  # one that streams has headers too


def is_of_a_program(request: HttpRequest) -> bool:
    """Say whether no page, and nothing that comes with a cookie, is asked for."""
    return (
        not request.META.get("HTTP_COOKIE")
        and request.path_info.startswith(_PROGRAMS)
        and not is_browser(request)
    )


class _Views(BaseHandler):
    """Django's way from a URL to its view and what that answers."""

    def __init__(self) -> None:
        self._view_middleware: list[object] = []
        self._template_response_middleware: list[object] = []
        self._exception_middleware: list[object] = []


def _short_way(security: SecurityMiddleware) -> GetResponse:
    views: Any = _Views()  # what it does is not typed

    def answer(request: HttpRequest) -> HttpResponseBase:
        # Behind the check of the host, which a redirect to HTTPS names.
        redirect = security.process_request(request)
        return redirect or views._get_response(request)

    problems = ProblemMiddleware(_safe(answer))
    views._exception_middleware.append(problems.process_exception)
    return _safe(problems)


def _safe(get_response: GetResponse) -> GetResponse:
    """Answer what it raises, as Django does around every middleware."""
    return cast(GetResponse, convert_exception_to_response(get_response))
