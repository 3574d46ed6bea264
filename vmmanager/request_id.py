"""Give every request an id: taken from the client or made here, logged and echoed."""

import logging
import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from compute.engine import waiting

HEADER = "X-Request-ID"
_META = "HTTP_X_REQUEST_ID"
#: What a line of the log keeps of a path.
MAX_PATH = 255

# Nova's own format; anything else would be ignored there, and could be anything here.
_FORMAT = re.compile(
    r"req-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)

logger = structlog.get_logger("vmmanager.requests")
#: Asked first whether anybody reads a line: that costs less than to write it for nobody.
_level = logging.getLogger("vmmanager.requests")


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


class RequestIDMiddleware:
    """Set request.request_id, bind it to the log, echo it, write the access line.

    It stands first, so that it also sees what the other middleware answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request_id, arrived = _known(request) or (_id_of(request), time.monotonic())
        request.request_id = request_id  # type: ignore[attr-defined]  # set here, read by the API
        request.arrived = arrived  # type: ignore[attr-defined]  # read by waits
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
            response.headers[HEADER] = request_id
            if not waiting.is_parked(request):
                _write(request, response)
        finally:
            structlog.contextvars.reset_contextvars(**bound)
        return response


def _id_of(request: HttpRequest) -> str:
    # Not `request.headers`, which is made of all of META, the environment included.
    sent = request.META.get(_META, "")
    return sent if _FORMAT.fullmatch(sent) else new_request_id()


def _known(request: HttpRequest) -> tuple[str, float] | None:
    """Return the id, and the time of arrival, of a request that goes on."""
    if (parked := waiting.resumed_by(request)) is None:
        return None
    return parked.request.request_id, parked.request.arrived


def _write(request: Any, response: HttpResponseBase) -> None:
    # Probes ask every few seconds, a page asks for ten files; their lines would bury the
    # others, unless one tells of a failure.
    is_frequent = request.path.startswith(("/health", settings.STATIC_URL))
    is_quiet = is_frequent and response.status_code < 400
    level = logging.DEBUG if is_quiet else logging.INFO
    if _level.isEnabledFor(level):
        logger.log(
            level,
            "request",
            method=request.method,
            path=request.path[:MAX_PATH],
            status=response.status_code,
            duration_ms=round((time.monotonic() - request.arrived) * 1000, 1),
        )
