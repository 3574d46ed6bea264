"""How bodies arrive: JSON by orjson; forms only from the browsable API."""

import json
from collections.abc import Mapping, Sequence
from typing import IO, Any

import orjson
from django.conf import settings
from rest_framework.parsers import BaseParser, FormParser, MultiPartParser

from compute.api.http.problems import MalformedJSON, PayloadTooLarge
from compute.api.http.renderers import JSONRenderer
from compute.limits import MAX_NAME

#: No body of ours nests deeper than three.
MAX_DEPTH = 16


class JSONParser(BaseParser):
    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        # Django limits request.body, but not a stream that is read directly.
        limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        body = stream.read(limit + 1)
        if len(body) > limit:
            raise PayloadTooLarge(f"A body has at most {limit} bytes.")
        try:
            # Refuses invalid UTF-8, lone surrogates, NaN and Infinity.
            data = orjson.loads(body)
        except orjson.JSONDecodeError as exc:
            raise MalformedJSON(f"The body is not valid JSON: {exc}") from exc
        if _is_deeper(data, MAX_DEPTH):
            raise MalformedJSON(f"The body nests deeper than {MAX_DEPTH} levels.")
        _refuse_repeated(body)
        return data


def _refuse_repeated(body: bytes) -> None:
    """Raise MalformedJSON for an object that gives a member twice.

    orjson would take the last, silently; another reader on the way may take the first.
    """
    try:
        json.loads(body, object_pairs_hook=_members, parse_int=len)
    except RecursionError as exc:  # in a value that was dropped
        raise MalformedJSON(f"The body nests deeper than {MAX_DEPTH} levels.") from exc


def _members(pairs: Sequence[tuple[str, Any]]) -> None:
    known: set[str] = set()
    for name, _ in pairs:
        if name in known:
            raise MalformedJSON(f"The body contains {name[:MAX_NAME]!r} twice.")
        known.add(name)


def _is_deeper(data: Any, limit: int) -> bool:
    level: list[Any] = [data]
    for _ in range(limit + 1):
        level = [
            child
            for node in level
            if isinstance(node, (dict, list))
            for child in (node.values() if isinstance(node, dict) else node)
        ]
        if not level:
            return False
    return True


#: What a browser can send; `ResourceViewSet.get_parsers` offers them to no other client.
BROWSER_PARSERS = (FormParser, MultiPartParser)
