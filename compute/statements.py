"""SQL that is compiled once, and from then on only given its values.

The ORM builds and compiles a query anew each time, which takes longer than most queries
do. A `Statement` keeps the outcome: the same query with `Slot`s where values go.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BooleanField, Expression, F, Field, QuerySet

#: Statements that a process keeps; they are made of the code, not of what clients send.
MAX_KEPT = 1_000

Row = tuple[Any, ...]


class Slot(Expression):
    """A value that is given when the query is run."""

    def __init__(self, name: str, field: "Field[Any, Any]") -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        return "%s", (self,)

    def bind(self, values: Mapping[str, Any]) -> Any:
        """Return the value as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.name], connection)


class Among(Expression):
    """The condition that a row is one of those that another statement finds."""

    conditional = True

    def __init__(self, pk: F) -> None:
        super().__init__(output_field=BooleanField())
        self.pk = pk

    def get_source_expressions(self) -> list[Any]:
        return [self.pk]

    def set_source_expressions(self, exprs: Sequence[Any]) -> None:
        (self.pk,) = exprs

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        sql, parameters = compiler.compile(self.pk)
        return f"{sql} IN (%s)", (*parameters, self)


class Statement:
    """A compiled query."""

    def __init__(
        self,
        sql: str,
        parameters: Sequence[Any],
        converters: Mapping[int, Callable[[Any], Any]],
        *,
        prefix: str,
    ) -> None:
        """Take SQL with a %s for each of its parameters, which are values and slots.

        Empty SQL has no rows. Converters make Python's values of a column's. The prefix
        tells the parameters of two statements apart.
        """
        # By name: Django makes SQLite's places of these at a tenth of the cost.
        named = [(f"{prefix}{index}", given) for index, given in enumerate(parameters)]
        places = [
            _AMONG if isinstance(given, Among) else f"%({name})s"
            for name, given in named
        ]
        self._sql = sql.replace("%%", "%%%%") % tuple(places) if sql else ""
        self._page = f"{self._sql} LIMIT %(limit)s OFFSET %(offset)s"
        self._count = f"SELECT COUNT(*) FROM ({self._sql} LIMIT %(limit)s) counted"  # noqa: S608  # compiled
        self._slots = [item for item in named if isinstance(item[1], Slot)]
        self._constants = {
            name: given for name, given in named if not isinstance(given, Slot | Among)
        }
        self._converters = converters

    def rows(
        self, values: Mapping[str, Any], *, limit: int, offset: int = 0
    ) -> list[Row]:
        """Return rows as the database gives them; see `converted`."""
        if not self._sql:
            return []
        cut = {"limit": limit, "offset": offset}
        return _run(self._page, {**self._bound(values), **cut})

    def rows_among(
        self, others: "Statement", values: Mapping[str, Any], *, limit: int, offset: int
    ) -> list[Row]:
        """Return those of the rows whose keys another statement finds, so many of them.

        This one has an `Among` for them.
        """
        if not others._sql:
            return []
        cut = {"limit": limit, "offset": offset}
        return _run(
            self._sql.replace(_AMONG, others._page),
            {**self._constants, **others._bound(values), **cut},
        )

    def count(self, values: Mapping[str, Any], *, limit: int) -> int:
        """Return how many rows there are, up to a limit."""
        if not self._sql:
            return 0
        ((count,),) = _run(self._count, {**self._bound(values), "limit": limit})
        return int(count)

    def converted(self, row: Row, column: int) -> Any:
        """Return Python's value of one column of a row."""
        convert = self._converters.get(column)
        return row[column] if convert is None else convert(row[column])

    def _bound(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            **self._constants,
            **{name: slot.bind(values) for name, slot in self._slots},
        }


#: Where another statement goes into one with an `Among`.
_AMONG = "%(among)s"


def _run(sql: str, parameters: Mapping[str, Any]) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def compiled(queryset: QuerySet[Any, Any], *, prefix: str = "p") -> Statement:
    """Compile a queryset of tuples (`values_list`)."""
    compiler = queryset.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return Statement("", (), {}, prefix=prefix)
    columns = [column for column, *_ in compiler.select]
    converters = compiler.get_converters(columns)
    return Statement(
        sql,
        parameters,
        {
            index: _converter(steps, expression)
            for index, (steps, expression) in converters.items()
        },
        prefix=prefix,
    )


def _converter(
    steps: Sequence[Callable[..., Any]], expression: Any
) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        for step in steps:
            value = step(value, expression, connection)
        return value

    return convert


_kept: dict[Hashable, Statement] = {}


def kept(key: Hashable, make: Callable[[], QuerySet[Any, Any]]) -> Statement:
    """Return the statement of a key; compile it when it is first asked for.

    The key says all that the SQL depends on, but the database.
    """
    key = connection.vendor, key
    statement = _kept.get(key)
    if statement is None:
        if len(_kept) >= MAX_KEPT:
            _kept.clear()
        statement = _kept[key] = compiled(make())
    return statement
