"""Exceptions to RFC 9457 problem documents, in one place."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import structlog
from django.core.exceptions import (
    DisallowedHost,
    RequestDataTooBig,
    SuspiciousOperation,
)
from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.utils.encoding import escape_uri_path
from django_fsm import TransitionNotAllowed
from rest_framework import exceptions as drf
from rest_framework.request import Request
from rest_framework.response import Response

from compute import database, errors
from compute.api.http.renderers import HTMLRenderer, JSONRenderer, answer

CONTENT_TYPE = "application/problem+json"

logger = structlog.get_logger("compute.api")


# The codes that only HTTP knows. The others are in compute.errors.


class BadRequest(errors.Problem):
    code = "bad-request"
    title = "Request cannot be read"
    status = 400
    explanation = (
        "The request could not be read: its URL, its host or its headers. Sending "
        "it again as it is will not help."
    )


class MalformedJSON(errors.Problem):
    code = "malformed-json"
    title = "Body is not JSON"
    status = 400
    explanation = (
        "The body is not JSON, not UTF-8, or nested too deeply. `detail` says where."
    )


class CursorInvalid(errors.Problem):
    code = "cursor-invalid"
    title = "Cursor is not valid here"
    status = 400
    explanation = (
        "A cursor works only with the filters and the ordering it was created "
        "with. Start again with an empty `cursor=`."
    )


class UpgradeRequired(errors.Problem):
    code = "upgrade-required"
    title = "A WebSocket is required"
    status = 426
    explanation = (
        "This URL speaks WebSocket alone. `GET /events/stream` has the same events over "
        "HTTP."
    )


class StreamsNotServed(errors.Problem):
    code = "streams-not-served"
    title = "Streams are not served here"
    status = 501
    explanation = (
        "This process answers requests and keeps no connection open. The proxy of "
        "`compose.yaml` sends streams to a service of their own; `GET /events?after=` "
        "with `Prefer: wait=N` works everywhere."
    )


class MethodNotAllowed(errors.Problem):
    code = "method-not-allowed"
    title = "Method not allowed"
    status = 405
    explanation = "The `Allow` header lists the methods of this URL."


class NotAcceptable(errors.Problem):
    code = "not-acceptable"
    title = "No such representation"
    status = 406
    explanation = "The API speaks `application/json`."


class RequestTimeout(errors.Problem):
    code = "request-timeout"
    title = "The request did not arrive in time"
    status = 408
    retryable = True
    explanation = (
        "The body arrived too slowly. Send it at once; behind a proxy that buffers "
        "requests this does not happen."
    )


class LengthRequired(errors.Problem):
    code = "length-required"
    title = "Content-Length required"
    status = 411
    explanation = "Send `Content-Length`; chunked bodies are not read."


class PayloadTooLarge(errors.Problem):
    code = "payload-too-large"
    title = "Body is too large"
    status = 413
    explanation = "The body is larger than the service accepts."


class URITooLong(errors.Problem):
    code = "uri-too-long"
    title = "URL is too long"
    status = 414
    explanation = "The path and its query together are longer than the service accepts."


class UnsupportedMediaType(errors.Problem):
    code = "unsupported-media-type"
    title = "Media type not supported"
    status = 415
    explanation = "Send the body as `application/json`."


class HeaderTooLarge(errors.Problem):
    code = "header-too-large"
    title = "Headers are too large"
    status = 431
    explanation = (
        "One header, which `header` names, or all headers together are larger "
        "than the service accepts."
    )


class NotReady(errors.Problem):
    code = "not-ready"
    title = "The service is not ready"
    status = 503
    retryable = True
    retry_after = 5
    explanation = (
        "The database, the broker or the disk is not available. `checks` says which."
    )


def registry() -> dict[str, type[errors.Problem]]:
    """Return every code there is with its class, sorted by status."""

    def leaves(kind: type[errors.Problem]) -> Iterator[type[errors.Problem]]:
        for child in kind.__subclasses__():
            yield child
            yield from leaves(child)

    known = sorted(
        leaves(errors.Problem), key=lambda problem: (problem.status, problem.code)
    )
    return {problem.code: problem for problem in known}


# Documents


def host_of(request: HttpRequest | Request) -> str:
    """Return where the client finds the service; empty if it may not say."""
    try:
        return f"{request.scheme}://{request.get_host()}"
    except DisallowedHost:
        return ""


def document(
    stored: Mapping[str, Any],
    request: HttpRequest | Request,
    *,
    instance: str,
    request_id: str,
) -> dict[str, Any]:
    """Return the document a client reads, from `Problem.document()`."""
    return {
        "type": f"{host_of(request)}/problems/{stored['code']}",
        **stored,
        "instance": instance,
        "request_id": request_id,
    }


def request_id_of(request: HttpRequest | Request) -> str:
    return getattr(request, "request_id", "")


def is_browser(request: HttpRequest | Request) -> bool:
    """Say whether a person looks at it; everybody else gets JSON."""
    return "text/html" in request.META.get("HTTP_ACCEPT", "")


def respond(
    stored: Mapping[str, Any],
    request: Request,
    *,
    retry_after: int | None = None,
) -> Response:
    """Return the answer of a view from a finished document."""
    response = Response(stored, status=stored["status"])
    renderer = getattr(request, "accepted_renderer", None)
    # content_type would override the renderer, and label HTML as JSON.
    if not isinstance(renderer, HTMLRenderer):
        response.content_type = CONTENT_TYPE
        if not isinstance(renderer, JSONRenderer):  # YAML, say, or none yet
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    return response


def plain_response(problem: errors.Problem, request: HttpRequest) -> HttpResponse:
    """Return the answer outside of any view of the API."""
    body = document(
        problem.document(),
        request,
        instance=escape_uri_path(request.path),
        request_id=request_id_of(request),
    )
    return HttpResponse(
        answer(body),
        status=problem.status,
        content_type=CONTENT_TYPE,
        headers=retry_headers(problem),
    )


def retry_headers(problem: errors.Problem) -> dict[str, str]:
    seconds = problem.retry_after
    return {} if seconds is None else {"Retry-After": str(seconds)}


# Exceptions


def flatten(detail: Any, pointer: str = "#") -> list[dict[str, str]]:
    """Return DRF's nested errors as rows, each with a JSON pointer into the body."""
    if isinstance(detail, dict):
        return [
            row
            for key, value in detail.items()
            for row in flatten(value, _below(pointer, str(key)))
        ]
    if isinstance(detail, list):
        return [
            row
            for index, value in enumerate(detail)
            for row in flatten(
                value,
                pointer if isinstance(value, str) else _below(pointer, str(index)),
            )
        ]
    return [
        {
            "pointer": pointer,
            "code": str(getattr(detail, "code", "invalid")),
            "detail": str(detail),
        }
    ]


def _below(pointer: str, key: str) -> str:
    return pointer if key == "non_field_errors" else f"{pointer}/{escaped(key)}"


def escaped(key: str) -> str:
    """Return a name as one step of a JSON pointer."""
    return key.replace("~", "~0").replace("/", "~1")


class NotAuthentic(drf.APIException):
    """What was sent to authenticate is refused; in the form that DRF expects there."""

    def __init__(self, problem: errors.Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def _text(kind: type[errors.Problem]) -> Callable[[Any], errors.Problem]:
    return lambda exc: kind(str(getattr(exc, "detail", exc)) or kind.title)


#: The first that fits; what is in no row is an internal error.
_CONVERSIONS: tuple[tuple[Any, Callable[[Any], errors.Problem]], ...] = (
    (errors.Problem, lambda exc: exc),
    (drf.ValidationError, lambda exc: errors.ValidationError(flatten(exc.detail))),
    (drf.ParseError, _text(BadRequest)),
    ((Http404, drf.NotFound), lambda exc: errors.NotFound("There is nothing here.")),
    ((DjangoPermissionDenied, drf.PermissionDenied), _text(errors.PermissionDenied)),
    (NotAuthentic, lambda exc: exc.problem),
    (
        drf.NotAuthenticated,
        lambda exc: errors.Unauthenticated("Send Authorization: Bearer TOKEN."),
    ),
    (drf.MethodNotAllowed, _text(MethodNotAllowed)),
    (drf.NotAcceptable, _text(NotAcceptable)),
    (drf.UnsupportedMediaType, _text(UnsupportedMediaType)),
    (TransitionNotAllowed, _text(errors.InvalidTransition)),
    (RequestDataTooBig, lambda exc: PayloadTooLarge("The body is too large.")),
    ((SuspiciousOperation, MultiPartParserError), _text(BadRequest)),
    (UnreadablePostError, lambda exc: unreadable(exc)),
)


def unreadable(exc: UnreadablePostError) -> errors.Problem:
    """Return why a body could not be read to its end."""
    cause: BaseException | None = exc
    while cause is not None:  # Django wraps it once or twice
        if isinstance(cause, TimeoutError):
            return RequestTimeout("The body did not arrive in time.")
        cause = cause.__cause__
    return BadRequest("The body arrived incomplete.")


def to_problem(exc: Exception) -> errors.Problem:
    """Return the problem that an exception is for a client."""
    if database.is_away(exc):
        logger.warning("the database is unavailable", reason=" ".join(str(exc).split()))
        return errors.DatabaseUnavailable("The database is not answering.")
    for kinds, convert in _CONVERSIONS:
        if isinstance(exc, kinds):
            return convert(exc)
    logger.error("unhandled exception", exc_info=exc)
    return errors.InternalError(
        "Something went wrong. The log has the details, under the request id."
    )


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """Answer every exception of a view; DRF calls it."""
    request: Request = context["request"]
    problem = to_problem(exc)
    body = document(
        problem.document(),
        request,
        instance=escape_uri_path(request.path),
        request_id=request_id_of(request),
    )
    if (note := getattr(context["view"], "note_refusal", None)) is not None:
        note(problem)
    response = respond(body, request, retry_after=problem.retry_after)
    if problem.status == 401:
        # RFC 6750: a client that sent no token is told no error.
        sent = "HTTP_AUTHORIZATION" in request.META
        error = ', error="invalid_token"' if sent else ""
        response.headers["WWW-Authenticate"] = f'Bearer realm="api"{error}'
    return response
