"""What must be refused, or translated, outside of any view of the API."""

import re
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import got_request_exception
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string

from compute import database, errors
from compute.api.http import intake
from compute.api.http.problem_pages import for_people
from compute.api.http.problems import (
    BadRequest,
    LengthRequired,
    MethodNotAllowed,
    PayloadTooLarge,
    is_browser,
    plain_response,
    retry_headers,
    to_problem,
    unreadable,
)

#: How Django's own error pages read as problems.
_BY_STATUS: dict[int, type[errors.Problem]] = {
    403: errors.PermissionDenied,
    404: errors.NotFound,
    405: MethodNotAllowed,
    413: PayloadTooLarge,
    429: errors.RateLimited,
    500: errors.InternalError,
}


class ProblemMiddleware:
    """Refuse bytes no view can handle; give no HTML error to a JSON client.

    A path outside of the API, a failed CSRF check, Django's debug pages: all of them
    are HTML, made where no exception handler of ours is asked.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.COOKIES = parse_cookies(request.META.get("HTTP_COOKIE", ""))
        if (problem := intake.refusal_of(request) or _unreadable(request)) is not None:
            return plain_response(problem, request)
        response = self.get_response(request)
        if isinstance(failure := getattr(request, "failure", None), Exception):
            response = self.process_exception(request, failure) or response
        if (
            response.status_code < 400
            or not isinstance(response, HttpResponse)
            or not response.headers.get("Content-Type", "").startswith("text/html")
            or is_browser(request)
        ):
            return response
        return _translated(response, request)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponse | None:
        """Answer errors that are not bugs in this service, for every view.

        The database is away, or a client hung up in the middle of a form.
        """
        if isinstance(exception, UnreadablePostError):
            return plain_response(unreadable(exception), request)
        if not database.is_away(exception):
            return None
        problem = to_problem(exception)
        return (
            _page(problem) if is_browser(request) else plain_response(problem, request)
        )


@receiver(got_request_exception)
def keep_failure(request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Keep what other middleware raised: the one above sees only an error page."""
    if request is not None:
        request.failure = sys.exc_info()[1]  # type: ignore[attr-defined]  # read by ProblemMiddleware


def _page(problem: errors.Problem) -> HttpResponse:
    """Return a problem for a person; the database is not asked who that is."""
    return HttpResponse(
        render_to_string("compute/problem.html", for_people(type(problem))),
        status=problem.status,
        headers={**retry_headers(problem), "Cache-Control": "no-store"},
    )


class NobodyMiddleware:
    """Keep the CSRF check, which reads the body, from requests that come from nobody.

    It protects people who are logged in. The page where they log in is exempt here, and
    makes the check itself once it has counted the attempt.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], *_: Any
    ) -> None:
        # Without its cookie the check refuses before it reads anything.
        if settings.CSRF_COOKIE_NAME in request.COOKIES and not (
            getattr(view, "csrf_exempt", False) or request.user.is_authenticated
        ):
            request.csrf_processing_done = True  # type: ignore[attr-defined]  # what Django's check looks at


#: A character of a quoted cookie that is escaped, by its octal number or by itself.
_ESCAPED = re.compile(r"\\(?:([0-3][0-7]{2})|(.))")


def parse_cookies(header: str) -> dict[str, str]:
    """Return the cookies of a request as Django does, but in linear time.

    Unquoting in Python's library is quadratic before 3.11.10 and 3.12.6.
    """
    cookies = {}
    for pair in header.split(";"):
        name, separator, value = pair.partition("=")
        if not separator:
            name, value = "", name
        name, value = name.strip(), value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = _ESCAPED.sub(
                lambda found: chr(int(found[1], 8)) if found[1] else found[2],
                value[1:-1],
            )
        if name or value:
            cookies[name] = value
    return cookies


def _unreadable(request: HttpRequest) -> errors.Problem | None:
    try:
        request.get_host()
    except DisallowedHost:
        return BadRequest("The service does not answer for this host.")
    # PostgreSQL stores no NUL, so one that arrived at a query would be a 500.
    if "\0" in request.path:
        return BadRequest("The URL contains a NUL byte.")
    if any("\0" in value for value in request.COOKIES.values()):
        return BadRequest("A cookie contains a NUL byte.")
    if problem := _unreadable_query(request):
        return problem
    # Django reads no chunked body; it would count as empty, in silence.
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get(
        "CONTENT_LENGTH"
    ):
        return LengthRequired("Send the body with a Content-Length.")
    return None


def _unreadable_query(request: HttpRequest) -> errors.Problem | None:
    text: str = request.META.get("QUERY_STRING", "")
    if text.isascii() and "%" not in text and "\0" not in text:
        return None
    # WSGI hands over bytes as if they were Latin-1.
    charset = "latin-1" if isinstance(request, WSGIRequest) else "utf-8"
    query = unquote_to_bytes(text.encode(charset))
    if b"\0" in query:
        return BadRequest("The URL contains a NUL byte.")
    try:
        query.decode()
    except UnicodeDecodeError:
        return BadRequest("The query is not UTF-8.")
    return None


def _translated(response: HttpResponse, request: HttpRequest) -> HttpResponse:
    status = response.status_code
    problem = _BY_STATUS.get(status, BadRequest)("")
    problem.detail = {
        404: f"There is nothing at {request.path}.",
        405: f"{request.method} is not allowed here.",
        500: "Something went wrong. The log has the details, under the request id.",
    }.get(status, f"{response.reason_phrase}.")
    answer = plain_response(problem, request)
    for name, value in response.items():
        if not name.startswith("Content-"):
            answer.headers[name] = value
    answer.cookies = response.cookies
    return answer
