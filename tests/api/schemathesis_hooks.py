"""What Schemathesis shall not send: see test_schemathesis.py."""

import unicodedata
from typing import Any
from urllib.parse import quote

import schemathesis

#: Characters of a query; a server answers to no more than 16 KiB of request line.
LONGEST = 10_000


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """Hold answers to the values there are today, though clients must take others."""
    _close(raw_schema)


def _close(part: Any) -> None:
    if isinstance(part, dict):
        if "x-extensible-enum" in part:
            nullable = [None] if "null" in part["type"] else []
            part["enum"] = [*part["x-extensible-enum"], *nullable]
        for value in part.values():
            _close(value)
    elif isinstance(part, list):
        for value in part:
            _close(value)


@schemathesis.hook
def filter_query(context: Any, query: dict[str, Any]) -> bool:
    """Leave out lists of ids so long that no server would read the line."""
    # As it is sent: one character may become twelve.
    return sum(len(quote(str(value))) for value in (query or {}).values()) < LONGEST


@schemathesis.hook
def filter_body(context: Any, body: Any) -> bool:
    """Leave out names with what Unicode has not assigned: no pattern can tell."""
    name = body.get("name") if isinstance(body, dict) else None
    return not isinstance(name, str) or "Cn" not in map(unicodedata.category, name)
