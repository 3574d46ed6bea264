"""Examples of pages; all others are beside their bodies."""

from collections.abc import Mapping
from typing import Any

from compute.bodies.examples import PROJECT_ID


def page(row: Mapping[str, Any], path: str, *, numbered: bool) -> dict[str, Any]:
    """Return a page of a list, with links to the one after it."""
    path = path.replace("{id}", PROJECT_ID)
    on = "page=2" if numbered else "cursor=WyJ4Il0"
    return {
        "results": [row],
        "next": f"https://host{path}?{on}",
        "previous": None,
        "count": 23 if numbered else None,
    }
