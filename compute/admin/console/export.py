"""A list as CSV: all of its pages, sent while they are read."""

import csv
import json
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone
from django.utils.text import slugify

MAX_ROWS = 100_000
#: Rows that are in memory at a time.
PART = 500
#: What makes a spreadsheet read a text as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

#: Heading -> what is below it: the path of a field, or what makes it of a row.
Columns = Mapping[str, str | Callable[[Any], Any]]


def of(*paths: str) -> Columns:
    """Return columns of fields, each named as its path begins: ``project.name``."""
    return {path.removesuffix(".name"): path for path in paths}


class _Text:
    """A file that gives back what is written to it."""

    def write(self, text: str, /) -> str:
        return text


def answer(
    request: HttpRequest, changelist: Any, columns: Columns
) -> StreamingHttpResponse:
    """Return all that a list has, as a file to save."""
    parts: Any = _parts(changelist, columns)
    if isinstance(request, ASGIRequest):  # Django would read all of it first
        parts = _one_by_one(parts)
    noun = slugify(str(changelist.opts.verbose_name_plural))
    name = f"{noun}-{timezone.now():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        parts,
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


async def _one_by_one(parts: Generator[str]) -> AsyncIterator[str]:
    @sync_to_async
    def following() -> str:
        return next(parts, "")

    try:
        while part := await following():
            yield part
    finally:  # who saved it may have gone
        await sync_to_async(parts.close)()


def _parts(changelist: Any, columns: Columns) -> Generator[str]:
    writer = csv.writer(_Text())
    line: Callable[[Sequence[Any]], str] = writer.writerow
    yield line(list(columns))
    rows = changelist.queryset[: MAX_ROWS + 1].iterator(chunk_size=PART)
    left = MAX_ROWS
    while part := list(islice(rows, PART)):
        changelist.complete(part)
        yield "".join(
            line([cell(_value(row, column)) for column in columns.values()])
            for row in part[:left]
        )
        if len(part) > left:
            yield line(
                [f"Cut after {MAX_ROWS:,} rows: filter the list for the others."]
            )
        left -= len(part)


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
    return f"'{text}" if text.startswith(_FORMULA) else text
