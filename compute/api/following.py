"""Follow the log of one project by a cursor: in order, without a gap, waiting for more."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework.response import Response

from compute import database
from compute.api.http import waits
from compute.api.http.filters import values_of
from compute.api.http.pagination import DEFAULT_PER_PAGE, MAX_PER_PAGE
from compute.api.http.parameters import joined, refuse, whole_number
from compute.api.http.prefer import preference
from compute.api.http.rows import Page, Rows
from compute.api.http.viewset import ResourceViewSet
from compute.engine import waiting
from compute.engine.waiting import Steps
from compute.models import Event, Project
from compute.services import log
from compute.statements import Slot

#: Events that one page looks at: however rare what is asked for, the database reads no
#: more of them.
MOST_LOOKED_AT = 10_000

AFTER = OpenApiParameter(
    "after",
    {"type": "string", "pattern": "^[0-9]{1,12}$"},
    description=(
        "Follow one project from here: its events after this one, oldest first. Takes "
        "the `Event-Cursor` of any list, and of the answer before. `Prefer: wait=N` "
        "waits for the next event if there is none yet."
    ),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at the log brought."""

    page: Page
    #: All before it, and it, has been looked at.
    cursor: int
    #: There is more to look at now.
    more: bool


def follow(view: ResourceViewSet[Event], rows: Rows) -> Response:
    """Answer with what ``rows`` has of one project's events after a cursor."""
    request, params = view.request, joined(view.request)
    for other in ("cursor", "ordering"):
        if other in params:
            raise refuse(other, "conflict", "Cannot be combined with after.")
    project_id, newest = followed(view, params)
    view.permit(project_id)
    after = checked(params["after"], project_id, newest)
    per_page = whole_number(
        request, "per_page", default=DEFAULT_PER_PAGE, highest=MAX_PER_PAGE
    )
    reading = _Log(rows, project_id, per_page)
    found = reading.read(after, newest)
    wanted = preference(request, default=0)

    def answer(found: Found, applied: str | None) -> Response:
        pages: Any = view.paginator
        pages.follow(request, cursor=found.cursor, more=found.more)
        response = view.get_paginated_response(view.as_data(found.page.array))
        if applied is not None:
            response.headers["Preference-Applied"] = applied
        return response

    def steps(found: Found) -> Steps[Response]:
        with waiting.place(request) as wait:
            if wait is None:
                return answer(found, None)
            deadline = time.monotonic() + wanted.wait
            found = yield from reading.wait(wait, found, deadline=deadline)
        return answer(found, wanted.applied)

    if wanted.wait and not found.page.rows:
        return waits.perform(view, steps(found))
    return answer(found, wanted.applied)


@dataclass(frozen=True, slots=True)
class _Log:
    rows: Rows
    project_id: UUID
    per_page: int

    def read(self, after: int, newest: int) -> Found:
        """Look at what follows; ``newest`` was read before, so all up to it shows."""
        until = min(newest, after + MOST_LOOKED_AT)
        values = {"project": self.project_id, "after": after, "until": until}
        page = self.rows.narrowed("followed", _between, values).page(
            ("sequence",), ("sequence",), limit=self.per_page + 1
        )
        if len(page.rows) > self.per_page:
            del page.rows[self.per_page :]
            (last,) = page.columns(-1)
            until = int(last)
        return Found(page, until, more=until < newest)

    def wait(
        self, wait: waiting.Wait, found: Found, *, deadline: float
    ) -> Steps[Found]:
        """Look again whenever there is more, until some of it is what was asked for."""
        while not found.page.rows and time.monotonic() < deadline:
            newest = yield from wait.until_grown(
                self.project_id, sequence=found.cursor, deadline=deadline
            )
            if newest == found.cursor:
                break
            found = self.read(found.cursor, newest)
            database.give_back()
        return found


def _between(events: QuerySet[Any, Any]) -> QuerySet[Any, Any]:
    sequence = Event._meta.get_field("sequence")
    return events.filter(
        project_id=Slot("project", Project._meta.pk),
        sequence__gt=Slot("after", sequence),
        sequence__lte=Slot("until", sequence),
    )


def followed(
    view: ResourceViewSet[Event], params: Mapping[str, str]
) -> tuple[UUID, int]:
    """Return the project whose log is asked for, and how far that has come."""
    if known := view.one_project():
        return known
    asked = values_of(params.get("project", "")) or []
    if asked == [""]:
        detail = "Name one project: each counts its events by itself."
        raise refuse("project", "required", detail)
    if len(asked) != 1:
        raise refuse("project", "invalid", "Name one project's id.")
    raise refuse("project", "does_not_exist", f"No project {asked[0]}.")


def checked(text: str, project_id: UUID, newest: int) -> int:
    """Return where a client stands in a log, or raise: nothing after it is missing."""
    if not re.fullmatch("[0-9]{1,12}", text):
        raise refuse("after", "invalid", "after is the Event-Cursor of an answer.")
    after = int(text)
    log.check_cursor(project_id, after, newest)
    return after
