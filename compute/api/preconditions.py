"""ETag, If-Match and If-None-Match."""

import hashlib
import re
from typing import Any

from rest_framework.request import Request

from compute.api.renderers import dumps
from compute.errors import ValidationError

TAG = r'(?:W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
TAGS = rf"\s*(?:\*|{TAG}(?:\s*,\s*{TAG})*)\s*"


def version_tag(version: int) -> str:
    return f'"{version}"'


def digest_tag(body: Any) -> str:
    """Return the tag of what has no version: it changes when the body does."""
    return f'"{hashlib.sha256(dumps(body)).hexdigest()[:20]}"'


def _tags(request: Request, header: str) -> frozenset[str] | None:
    """Return the tags a header lists; None without the header or for ``*``."""
    value = request.headers.get(header)
    if value is None or value.strip() == "*":
        return None
    if not re.fullmatch(TAGS, value):
        raise ValidationError(
            [
                {
                    "header": header,
                    "code": "invalid",
                    "detail": f'{header} is "*" or a list of quoted tags.',
                }
            ]
        )
    # W/ is ignored: proxies weaken tags on their way, and a strict comparison would
    # then reject every client behind one.
    return frozenset(re.findall(TAG, value))


def expected_versions(request: Request) -> frozenset[int] | None:
    """Return the versions If-Match accepts; None when any will do.

    A tag that is no version of ours matches nothing.
    """
    tags = _tags(request, "If-Match")
    if tags is None:
        return None
    return frozenset(int(tag) for tag in tags if re.fullmatch(r"[0-9]{1,9}", tag))


def is_unchanged(request: Request, etag: str) -> bool:
    """Say whether the client's If-None-Match names what it would get."""
    value = request.headers.get("If-None-Match")
    if value is None:
        return False
    tags = _tags(request, "If-None-Match")
    return tags is None or etag.strip('"') in tags
