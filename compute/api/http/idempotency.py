"""`Idempotency-Key`: a POST that is sent again starts nothing new."""

import hashlib
import re
from typing import Any
from uuid import UUID

from rest_framework.request import Request

from compute.api.http.renderers import dumps
from compute.engine.once import Key
from compute.errors import ValidationError
from compute.events import Actor
from compute.models.idempotency import MAX_KEY

HEADER = "Idempotency-Key"
#: 1 to 255 visible characters, in quotes (a structured header's string) or bare.
PATTERN = rf'^("[!#-~]{{1,{MAX_KEY}}}"|[!#-~]{{1,{MAX_KEY}}})$'


def key_of(request: Request, actor: Actor, *, project_id: UUID | None) -> Key | None:
    """Return the key of a POST, or ``None`` without one."""
    value = request.headers.get(HEADER)
    if value is None or request.method != "POST":
        return None
    if not re.fullmatch(PATTERN, value):
        raise ValidationError(
            [
                {
                    "header": HEADER,
                    "code": "invalid",
                    "detail": f"{HEADER} is 1 to {MAX_KEY} visible characters.",
                }
            ]
        )
    return Key(project_id, actor.name, value.strip('"'), _fingerprint(request))


def _fingerprint(request: Request) -> str:
    # Sorted: a client may write its members in another order each time.
    body = _canonical(request.data)
    identity = dumps([request.method, request.path, body])
    return hashlib.sha256(identity).hexdigest()


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _canonical(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value
