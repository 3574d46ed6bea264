"""What an answer of 400 or more means."""

import re
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
    413: QuotaExceeded,  # Cinder and Glance
    429: Unreachable,  # a limit on requests: it was turned away before any work
}
#: Nova says 403 and Neutron 409 when a quota is full, and neither has a code for it.
_QUOTA = re.compile(r"quota|over (a |the )?limit|maximum number of .* exceeded", re.I)
_LONGEST_MESSAGE = 500


def refusal(service: str, answer: requests.Response) -> ProviderError:
    """Return the error that an answer of 400 or more means."""
    status = answer.status_code
    message = _message(answer)
    error = _BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)
    if error in (Forbidden, Conflict) and _QUOTA.search(message):
        error = QuotaExceeded
    return error(
        message, service=service, status=status, request_id=request_id_of(answer)
    )


def request_id_of(answer: requests.Response) -> str | None:
    """Return the cloud's own id of a request."""
    return answer.headers.get("X-Openstack-Request-Id")


def _message(answer: requests.Response) -> str:
    """Return what a service says, whatever shape it says it in.

    Nova: ``{"badRequest": {"message": …}}``; Neutron: ``{"NeutronError": {"message":
    …}}``; Keystone: ``{"error": {"message": …}}``; Glance: an HTML page; proxies: text.
    """
    message = _find_message(answer)
    return " ".join(message.split())[:_LONGEST_MESSAGE] or str(answer.reason)


def _find_message(answer: requests.Response) -> str:
    try:
        body: Any = answer.json()
    except ValueError:
        return re.sub(r"<head>.*?</head>|<[^>]*>", " ", answer.text, flags=re.S)
    if isinstance(body, dict):
        for member in (*body.values(), body):
            if isinstance(member, dict) and isinstance(member.get("message"), str):
                return str(member["message"])
    return answer.text
