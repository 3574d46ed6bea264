"""Give every request an id: taken from the client or made here, logged and echoed."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

HEADER = "X-Request-ID"
#: What a line of the log keeps of a path.
MAX_PATH = 255

# Nova's own format; anything else would be ignored there, and could be anything here.
_FORMAT = re.compile(
    r"req-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)

logger = structlog.get_logger("vmmanager.requests")


def new_request_id() -> str:
    return f"req-{uuid.uuid4()}"


class RequestIDMiddleware:
    """Set request.request_id, bind it to the log, echo it, write the access line.

    It stands first, so that it also sees what the other middleware answers.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        sent = request.headers.get(HEADER, "")
        request_id = sent if _FORMAT.fullmatch(sent) else new_request_id()
        request.request_id = request_id  # type: ignore[attr-defined]  # set here, read by the API
        request.arrived = started = time.monotonic()  # type: ignore[attr-defined]  # read by waits
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response.headers[HEADER] = request_id
            # Probes ask every few seconds, a page asks for ten files; their lines would
            # bury the others, unless one tells of a failure.
            is_frequent = request.path.startswith(("/health", settings.STATIC_URL))
            is_quiet = is_frequent and response.status_code < 400
            write = logger.debug if is_quiet else logger.info
            write(
                "request",
                method=request.method,
                path=request.path[:MAX_PATH],
                status=response.status_code,
                duration_ms=round((time.monotonic() - started) * 1000, 1),
            )
        return response
