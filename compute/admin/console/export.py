"""A list as CSV: all of its pages."""

import csv
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from io import StringIO
from itertools import islice
from typing import Any

from django.http import HttpResponse
from django.utils import timezone
from django.utils.text import slugify

#: As far as the pages of a list go.
MAX_ROWS = 10_000
#: Characters after which a file is cut: events can be long.
MAX_LENGTH = 16_000_000
#: Rows that are in memory at a time.
PART = 500
#: What makes a spreadsheet read a text as a formula; every cell is quoted, so that
#: it cannot begin within one.
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")

#: Heading -> what is below it: the path of a field, or what makes it of a row.
Columns = Mapping[str, str | Callable[[Any], Any]]


def of(*paths: str) -> Columns:
    """Return columns of fields, each named as its path begins: ``project.name``."""
    return {path.removesuffix(".name"): path for path in paths}


def answer(changelist: Any, columns: Columns) -> HttpResponse:
    """Return what a list has, up to a bound, as a file to save.

    In one piece: a client that reads slowly holds neither a thread nor a connection.
    """
    file = StringIO(newline="")
    line = csv.writer(file, quoting=csv.QUOTE_ALL).writerow
    line(list(columns))
    left = MAX_ROWS
    rows = changelist.queryset[: MAX_ROWS + 1].iterator(chunk_size=PART)
    while part := list(islice(rows, PART)):
        changelist.complete(part)
        for row in part[:left]:
            line([cell(_value(row, column)) for column in columns.values()])
        left -= len(part)
        if left < 0 or file.tell() > MAX_LENGTH:
            line(["Cut here: filter the list for the others."])
            break
    noun = slugify(str(changelist.opts.verbose_name_plural))
    name = f"{noun}-{timezone.now():%Y-%m-%d}.csv"
    return HttpResponse(
        file.getvalue(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _value(row: Any, column: str | Callable[[Any], Any]) -> Any:
    if not isinstance(column, str):
        return column(row)
    for name in column.split("."):
        row = None if row is None else getattr(row, name)
    return row


def cell(value: Any) -> str:
    """Return a value as a spreadsheet takes it: as a text or a number, never a formula."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
        case dict() | list():
            text = json.dumps(value, ensure_ascii=False) if value else ""
        case _:
            text = str(value)
    return f"'{text}" if _FORMULA.match(text) else text
