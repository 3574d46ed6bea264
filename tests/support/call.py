"""One call of the API, and how to make it."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

import orjson
from django.db import transaction
from django.test import Client

from tests.support.populated_projects import Place

#: Nobody is asked who they are, and a token that is no good does no harm.
PUBLIC = "public"
#: Everybody may who is somebody.
KNOWN = "known"

#: Method, and the route as the URL conf has it.
Route = tuple[str, str]

API = "api/v1"


@dataclass(frozen=True)
class Call:
    """A route and method, with all that makes it succeed for who may."""

    method: str
    path: str
    #: A permission; or `PUBLIC`, or `KNOWN`.
    takes: str
    #: The permission without which what the path names is not there.
    sees: str = ""
    #: Name in the path -> that of an id of `Place`, or the text for it.
    ids: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[Place], Any] | None = None
    #: Changes the place, before, so that the call succeeds.
    prepare: Callable[[Place], object] | None = None
    success: int = 200
    #: What it is told to whom the thing is not there. An id in a body is a field that
    #: is not valid, hence 400.
    unseen: int = 404
    #: What it is told to an admin of another project, where that is not 404 either.
    elsewhere: int = 404
    #: Parameter of the query -> an id of `Place`.
    query: Mapping[str, str] = field(default_factory=dict)
    #: Of a list: the id in `Place` of what it shows.
    shows: str = ""

    @property
    def route(self) -> Route:
        return self.method, self.path

    @property
    def name(self) -> str:
        return f"{self.method} /{self.path}"

    @property
    def is_secured(self) -> bool:
        return self.takes != PUBLIC

    def url(self, place: Place, **ids: Any) -> str:
        """Return the URL for a place, with other ids than its own if they are given."""
        known = {name: place.ids.get(id, id) for name, id in self.ids.items()} | ids
        path = "/" + re.sub(
            r"<(?:\w+:)?(\w+)>", lambda found: str(known[found[1]]), self.path
        )
        query = {name: place.ids[id] for name, id in self.query.items()}
        return f"{path}?{urlencode(query)}" if query else path

    def content(self, place: Place) -> Any:
        return self.body(place) if self.body else None


def of(call: Call, place: Place, bearer: str | None, **headers: str) -> Any:
    """Make a call, undo what it did, and return the answer."""
    with undone():
        if call.prepare:
            call.prepare(place)
        return send(
            bearer, call.method, call.url(place), call.content(place), **headers
        )


def send(
    bearer: str | None, method: str, url: str, body: Any = None, **headers: str
) -> Any:
    """Send a request; ``If_Match="…"`` becomes the header If-Match."""
    return Client().generic(
        method,
        url,
        b"" if body is None else orjson.dumps(body),
        "" if body is None else "application/json",
        headers={
            **({"Authorization": f"Bearer {bearer}"} if bearer else {}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        },
    )


@contextmanager
def undone() -> Iterator[None]:
    """Undo what is done inside, so that the next call finds things as they were."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def of_noun(noun: str, key: str, path: str, *methods: Call) -> Iterator[Call]:
    """Yield calls to what a path names, which have all but the path to themselves."""
    for call in methods:
        yield replace(call, path=path, sees=f"{noun}.list", ids={"id": key})
