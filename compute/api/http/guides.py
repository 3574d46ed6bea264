"""The guides in front of the API's reference."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Guide:
    name: str
    title: str
    about: str

    @property
    def template(self) -> str:
        return f"compute/guides/{self.name}.html"


#: In the order in which they are read.
GUIDES = (
    Guide("getting-started", "Getting started", "A token, a VM, and the rules of all."),
    Guide(
        "waiting",
        "Waiting and operations",
        "202, Prefer: wait, and how work is followed.",
    ),
    Guide(
        "errors", "Errors and retries", "What to do with an error, and when to repeat."
    ),
    Guide("pagination", "Pagination", "Pages, cursors, filters and ordering."),
    Guide("events", "Events", "Keep a copy that is true: lists, streams, webhooks."),
    Guide("networks", "Networks", "From nothing to a VM that can be reached."),
)


def context(here: str) -> dict[str, Any]:
    """Return what the bar on top of every page of the documentation needs."""
    return {"guides": GUIDES, "here": here}
