"""ETag, If-Match and If-None-Match."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from django.utils.http import parse_etags
from rest_framework.request import Request

from compute.api.http.renderers import dumps
from compute.errors import ValidationError

#: What proxies append to a tag when they compress what it names: Apache and Jetty.
_COMPRESSED = re.compile(r"(?:--?|;)(?:gzip|br|deflate|zstd)\Z")
#: One tag of ours as we send it: a version, or a digest.
_PLAIN = re.compile(r'"([0-9a-f]{1,20})"')
_META = {"If-Match": "HTTP_IF_MATCH", "If-None-Match": "HTTP_IF_NONE_MATCH"}


def tag_of(body: Mapping[str, Any]) -> str:
    """Return the ETag of a resource: its version, or else a digest of all it shows."""
    version = body.get("version")
    return tag(
        hashlib.sha256(dumps(body)).hexdigest()[:20] if version is None else version
    )


def tag(version: int | str) -> str:
    """Return the ETag of a version."""
    return f'"{version}"'


def is_unchanged(request: Request, tag: str) -> bool:
    """Whether If-None-Match names what the client would get."""
    return _names(_tags(request, "If-None-Match"), tag)


def are_met(request: Request, tag: str | None) -> bool:
    """Whether a write may go ahead on what has this tag, None if there is nothing."""
    wanted, unwanted = _tags(request, "If-Match"), _tags(request, "If-None-Match")
    return (not wanted or _names(wanted, tag)) and not _names(unwanted, tag)


def _names(tags: frozenset[str], tag: str | None) -> bool:
    return tag is not None and ("*" in tags or tag.strip('"') in tags)


def _tags(request: Request, header: str) -> frozenset[str]:
    """Return the tags a header lists, bare; none without the header."""
    value = request.META.get(_META[header])
    if value is None:
        return frozenset()
    if plain := _PLAIN.fullmatch(value):
        return frozenset((plain[1],))
    tags = parse_etags(value)
    # Django leaves out what is no tag, and one that is misspelled would count for none.
    if len(tags) != len(value.split(",")):
        detail = f'{header} is "*" or a list of quoted tags.'
        raise ValidationError([{"header": header, "code": "invalid", "detail": detail}])
    # Weak or strong, compressed or not: a proxy changes that on the way, and a strict
    # comparison would reject every client behind one.
    return frozenset(
        _COMPRESSED.sub("", tag.removeprefix("W/").strip('"')) for tag in tags
    )
