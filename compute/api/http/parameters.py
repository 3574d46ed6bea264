"""Read query parameters strictly: what is not understood is refused."""

import re

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from compute.errors import ValidationError

INCLUDE_DELETED = OpenApiParameter(
    "include_deleted", bool, description="Include deleted resources."
)


def refuse(parameter: str, code: str, detail: str) -> ValidationError:
    return ValidationError([{"parameter": parameter, "code": code, "detail": detail}])


def whole_number(request: Request, name: str, *, default: int, highest: int) -> int:
    """Return a parameter between 1 and ``highest``."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not 1 <= int(text) <= highest:
        raise refuse(name, "invalid", f"{name} is a whole number, 1 to {highest}.")
    return int(text)


def is_asked(request: Request, name: str) -> bool:
    """Return a true-or-false parameter; false when it is not given."""
    text = request.query_params.get(name, "false")
    if text not in ("true", "false"):
        raise refuse(name, "invalid", f"{name} is true or false.")
    return text == "true"


def joined(request: Request) -> dict[str, str]:
    """Return each parameter with one value: `status=A&status=B` is `status=A,B`."""
    return {name: ",".join(values) for name, values in request.query_params.lists()}


def refuse_unknown(
    request: Request,
    *,
    known: frozenset[str],
    several: frozenset[str] = frozenset(),
) -> None:
    """Raise for parameters that nobody reads, and for those given twice.

    Those that take ``several`` values may be repeated, as clients made from the OpenAPI
    file do.
    """
    params = request.query_params
    errors = [
        {"parameter": name, "code": "unknown", "detail": "Unknown query parameter."}
        for name in params
        if name not in known
    ]
    errors += [
        {"parameter": name, "code": "repeated", "detail": "Must be given only once."}
        for name, values in params.lists()
        if len(values) > 1 and name not in several
    ]
    if errors:
        raise ValidationError(errors)
