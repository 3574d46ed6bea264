"""What an answer of 400 or more means."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Unauthorized,
    Unavailable,
    Unreachable,
)

_BY_STATUS: dict[int, type[ProviderError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: Conflict,  # Neutron, for a revision that is not the present one
    413: QuotaExceeded,  # Cinder and Glance
    429: Unreachable,  # a limit on requests: it was turned away before any work
}
#: Nova says 403 when a quota is full, and has only words for it.
_QUOTA = re.compile(r"quota|over (a |the )?limit|maximum number of .* exceeded", re.I)
_LONGEST_MESSAGE = 500
#: Of a page that is searched for it: a pattern must not run over megabytes.
_LONGEST_PAGE = 10_000


def refusal(service: str, answer: requests.Response) -> ProviderError:
    """Return the error that an answer of 400 or more means."""
    status, body = answer.status_code, _json(answer)
    words = _words(body)
    message = " ".join((words or _text(answer)).split()) or str(answer.reason)
    code = _code(body)
    error = _BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)
    # Words alone are no proof: those of others have names that users chose in them.
    if code == "OverQuota" or (status == 403 and not code and _QUOTA.search(message)):
        error = QuotaExceeded
    if status == 503 and _is_openstacks(body):
        # A proxy's 503 says nothing of where the request has got to.
        error = Unreachable
    return error(
        message[:_LONGEST_MESSAGE],
        service=service,
        status=status,
        request_id=request_id_of(answer),
        code=code,
        retry_after=retry_after_of(answer),
    )


def request_id_of(answer: requests.Response) -> str | None:
    """Return the cloud's own id of a request."""
    return answer.headers.get("X-Openstack-Request-Id")


def retry_after_of(answer: requests.Response) -> float | None:
    """Return the seconds that ``Retry-After`` asks for, written either way."""
    value = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", value):
        return float(value)
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if when.tzinfo is None:  # "-0000": the sender says no more than UTC
        when = when.replace(tzinfo=UTC)
    return (when - datetime.now(UTC)).total_seconds()


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _words(body: Any) -> str | None:
    """Return what a service says, whatever shape it says it in.

    Nova: ``{"badRequest": {"message": …}}``; Neutron: ``{"NeutronError": {"message":
    …}}``; Keystone: ``{"error": {"message": …}}``; middleware: ``{"message": …}``.
    """
    if isinstance(body, dict):
        for member in (*body.values(), body):
            if isinstance(member, dict) and isinstance(member.get("message"), str):
                return str(member["message"])
    return None


def _code(body: Any) -> str:
    """Return Neutron's name of a refusal: the ``type`` beside its message."""
    neutrons = body.get("NeutronError") if isinstance(body, dict) else None
    return str(neutrons.get("type", "")) if isinstance(neutrons, dict) else ""


def _text(answer: requests.Response) -> str:
    """Return the words of anything else. Glance: an HTML page; proxies: text."""
    page = answer.text[:_LONGEST_PAGE]
    return re.sub(r"<head>.*?</head>|<[^>]*>", " ", page, flags=re.S)


def _is_openstacks(body: Any) -> bool:
    """Whether a service wrote this error, not something on the way to it.

    Its message is inside a member named after the error, or has a code beside it.
    """
    if not isinstance(body, dict):
        return False
    named = any(isinstance(m, dict) and "message" in m for m in body.values())
    return named or {"message", "code"} <= body.keys()
