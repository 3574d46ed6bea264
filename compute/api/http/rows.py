"""What a read gets from the database: rows as JSON, by statements that are kept."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import F, QuerySet, TextField
from django.db.models.functions import Cast

from compute import statements
from compute.bodies.reader import Reader
from compute.bodies.written import Writer
from compute.statements import Among, Row, Statement

#: Counts that a process keeps. To count again would be one more query for each page.
MAX_COUNTS = 10_000
#: What is counted -> the state it was counted in, and how many there were.
_counts: dict[Hashable, tuple[Hashable, int]] = {}


def forget_counts() -> None:
    """Count again: tests make rows without events."""
    _counts.clear()


Refine = Callable[[QuerySet[Any, Any]], QuerySet[Any, Any]]


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that a request is about, before they are ordered and cut into pages."""

    writer: Writer
    reader: Reader
    #: Makes the queryset, with slots for ``values``.
    queryset: Callable[[], QuerySet[Any, Any]]
    #: What the queryset depends on; ``None``: on more than can be said, so that its SQL
    #: is compiled for this request alone.
    key: Hashable | None
    values: Mapping[str, Any]
    #: What changes when a row comes or goes; ``None``: that cannot be told.
    state: Hashable | None = None

    def narrowed(self, key: Hashable, by: Refine, values: Mapping[str, Any]) -> "Rows":
        """Return those of them that meet a condition too."""
        return Rows(
            self.writer,
            self.reader,
            lambda: by(self.queryset()),
            None if self.key is None else (self.key, key),
            {**self.values, **values},
        )

    def count(self, *, limit: int) -> int:
        """Return how many there are, up to a limit."""
        if self.key is None or self.state is None:
            return self._columns("pk").count(self.values, limit=limit)
        key = self.key, *self.values.values()
        state, count = _counts.get(key, (None, 0))
        if state != self.state:
            count = self._columns("pk").count(self.values, limit=limit)
            if len(_counts) >= MAX_COUNTS:
                _counts.clear()
            _counts[key] = self.state, count
        return count

    def first(self, *columns: str) -> tuple[Any, ...] | None:
        """Return columns of one of them."""
        statement = self._columns(*columns)
        for row in statement.rows(self.values, limit=1):
            return tuple(statement.converted(row, i) for i in range(len(columns)))
        return None

    def page(
        self,
        ordering: Sequence[str],
        columns: Sequence[str],
        *,
        limit: int,
        offset: int = 0,
    ) -> "Page":
        """Return some of them in an order, with the columns asked for."""
        selected = selection(self.writer, columns)
        if self.key is not None:
            statement = statements.kept(
                (self.key, "page", tuple(columns), tuple(ordering)),
                lambda: self.queryset().order_by(*ordering).values_list(*selected),
            )
            rows = statement.page(self.values, limit=limit, offset=offset)
            return Page(rows, statement, self.writer, self.reader)
        # What is asked for is found first, and then written by a statement that is kept:
        # SQLite would write all that it sorts.
        found = self.queryset().order_by(*ordering)
        every = found.model._default_manager.filter(Among(F("pk")))
        statement = statements.kept(
            (self.writer, tuple(columns), tuple(ordering)),
            lambda: every.order_by(*ordering).values_list(*selected),
        )
        rows = statement.page_among(
            statements.compiled(found.values_list("pk"), prefix="q"),
            self.values,
            limit=limit,
            offset=offset,
        )
        return Page(rows, statement, self.writer, self.reader)

    def _columns(self, *columns: str) -> Statement:
        def make() -> QuerySet[Any, Any]:
            return self.queryset().order_by().values_list(*columns)

        if self.key is None:
            return statements.compiled(make())
        return statements.kept((self.key, columns), make)


def selection(writer: Writer, columns: Sequence[str]) -> list[Any]:
    """Return what a page selects: what is written of a row, and columns of it."""
    return [*writer.selected, *map(_cheap, columns)]


def _cheap(column: str) -> F | Cast:
    """Select a column that is looked at in few rows of a page, as text if need be."""
    # The driver would make a UUID or a time in every row.
    if connection.vendor == "postgresql":
        return Cast(column, TextField())
    return F(column)


@dataclass(slots=True)
class Page:
    """Rows as JSON, and a few columns of each."""

    rows: list[Row]
    statement: Statement
    writer: Writer
    reader: Reader

    @property
    def array(self) -> str:
        return self.writer.array(self.rows, self.reader, self.statement)

    @property
    def object(self) -> str:
        """The JSON of the first row."""
        return self.writer.object(self.rows[0], self.reader, self.statement)

    def columns(self, index: int) -> tuple[Any, ...]:
        """Return the columns asked for, of the row with an index.

        PostgreSQL gives them as text, which their fields read (`to_python`).
        """
        row = self.rows[index]
        first = len(self.writer.selected)
        return tuple(self.statement.converted(row, i) for i in range(first, len(row)))
