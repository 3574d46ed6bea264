"""From one day to another: the filter of a list by a time. All days are those of UTC."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from django.contrib.admin import FieldListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from compute.admin.console.parameters import UnknownParameterError

#: What is one click away, as label and how many days ago it begins.
RECENT = (("Today", 0), ("Past 7 days", 7), ("Past 30 days", 30))
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Input(NamedTuple):
    label: str
    name: str
    value: str


class DatesFilter(FieldListFilter):
    """By days, as ``created_from`` and ``created_to``; or exactly, as over the API.

    The bounds are compared with the column itself, of which there is an index.
    """

    def __init__(
        self,
        field: Any,
        request: HttpRequest,
        params: dict[str, Any],
        model: Any,
        model_admin: Any,
        field_path: str,
    ) -> None:
        stem = field_path.removesuffix("_at")
        self.since, self.until = f"{stem}_from", f"{stem}_to"
        self.least, self.below = f"{field_path}__gte", f"{field_path}__lt"
        super().__init__(field, request, params, model, model_admin, field_path)
        self.title = stem
        self.given = {
            name: str(values[-1])
            for name, values in dict[str, Any](self.used_parameters).items()
        }
        self.bounds = dict(self._bounds())

    def expected_parameters(self) -> list[Any]:
        return [self.since, self.until, self.least, self.below]

    def _bounds(self) -> Iterator[tuple[str, datetime]]:
        for name in (self.least, self.below):
            if name in self.given:
                yield name, _time(name, self.given[name])
        first, last = (
            _day(name, self.given[name]) if self.given.get(name) else None
            for name in (self.since, self.until)
        )
        if first and last and last < first:
            raise UnknownParameterError(
                f"“{self.since}” is {first}, and “{self.until}” is before that: {last}."
            )
        if first:
            yield self.least, datetime.combine(first, time(), UTC)
        if last:
            # The last day is a part of it.
            yield self.below, datetime.combine(last, time(), UTC) + timedelta(days=1)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(**self.bounds)

    def choices(self, changelist: Any) -> Iterator[Any]:
        names = self.expected_parameters()
        today = timezone.now().date()
        yield {
            "selected": not self.bounds,
            "query_string": changelist.get_query_string(remove=names),
            "display": "Any time",
        }
        for label, days in RECENT:
            chosen = {self.since: f"{today - timedelta(days=days)}"}
            yield {
                "selected": {k: v for k, v in self.given.items() if v} == chosen,
                "query_string": changelist.get_query_string(chosen, remove=names),
                "display": label,
            }

    @property
    def inputs(self) -> list[Input]:
        return [
            Input(label, name, self.given.get(name, ""))
            for label, name in (("From", self.since), ("To", self.until))
        ]

    @property
    def chosen(self) -> str:
        """What is chosen, in words; empty: nothing."""
        words = (("from", self.since), ("to", self.until))
        exact = (("from", self.least), ("before", self.below))
        days = [
            f"{word} {self.given[key]}" for word, key in words if self.given.get(key)
        ]
        times = [
            f"{word} {self.given[key]}" for word, key in exact if key in self.given
        ]
        return " ".join([*days, *(["UTC"] if days else []), *times])


def _day(name: str, text: str) -> date:
    try:
        # One day later must be one, too.
        if _DAY.fullmatch(text) and date.fromisoformat(text) < date.max:
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UnknownParameterError(
        f"“{name}” must be a day such as 2026-11-28, not “{text[:50]}”."
    )


def _time(name: str, text: str) -> datetime:
    """Read a time with its zone, which every database can compare."""
    try:
        moment = parse_datetime(text)
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):  # the latter at the ends of the calendar
        pass
    raise UnknownParameterError(
        f"“{name}” must be a time with its zone such as 2026-11-28T09:30Z."
    )
