"""What operations and events are about: their columns, and the lists of one thing's."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console.display import NONE, page_url
from compute.admin.console.lists import ClosedChangeList
from compute.limits import is_id
from compute.models import kinds, subjects
from compute.models.owned import Owned

#: The parameter by which the page of a thing leads to the list of its rows.
PARAMETER = "about"


def query_of(row: Owned) -> str:
    """Return the query by which the list of rows about a thing is asked for."""
    return f"?{PARAMETER}={row.kind}:{row.pk}"


class AboutFilter(admin.SimpleListFilter):
    """Shows only while the list is one thing's: ``about=vm:ID``."""

    title = "about"
    parameter_name = PARAMETER
    is_link = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        chosen = request.GET.get(PARAMETER)
        if chosen is None:
            return []
        kind, _, id = chosen.partition(":")
        if kind not in kinds.KINDS or not is_id(id):
            raise IncorrectLookupParameters
        return [(chosen, str(kinds.find(kind, UUID(id)) or chosen))]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = queryset
        if chosen := self.value():
            kind, _, id = chosen.partition(":")
            rows = queryset.about(kind, UUID(id))
        return rows


class AboutChangeList(ClosedChangeList):
    """Reads what a page of rows is about with one query for each kind."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.complete(self.result_list)

    def complete(self, rows: Sequence[Any]) -> None:
        things = subjects.find_all(pair for row in rows for pair in _pairs(row))
        for row in rows:
            row.things = things


def _pairs(row: Any) -> Iterable[tuple[str, UUID | None]]:
    for name in ("target", "subject", "related"):
        if hasattr(row, f"{name}_kind"):
            yield getattr(row, f"{name}_kind"), getattr(row, f"{name}_id")


def name_of(name: str) -> Callable[[Any], str]:
    """Return a column of a file: what a pair names, in the rows of a list."""

    def named(row: Any) -> str:
        thing = row.things.get(getattr(row, f"{name}_id"))
        return str(thing or "")

    return named


def column(name: str, label: str) -> Callable[[Any], SafeString | str]:
    """Return a column, or a field, that leads to the thing that a pair names."""

    @admin.display(description=label)
    def shown(row: Any) -> SafeString | str:
        kind, id = getattr(row, f"{name}_kind"), getattr(row, f"{name}_id")
        things = getattr(row, "things", None)
        thing = subjects.find(kind, id) if things is None else things.get(id)
        if thing is None:
            return NONE
        return format_html('<a href="{}">{}</a>', page_url(thing), thing)

    return shown
