"""SQL that is compiled once, and from then on only given its values.

The ORM compiles a query each time it runs, which takes longer than running most of them.
A `Statement` is compiled once, with `Slot`s in place of the values.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import DatabaseError, connection
from django.db.models import BooleanField, Expression, F, Field, Model, QuerySet
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=Model)

#: Statements that a process keeps. Clients choose among many orderings: those that
#: were not used for longest go first.
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
        # By name: Django turns these into SQLite's placeholders at less cost.
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


#: The last used at the end.
_kept: OrderedDict[Hashable, Statement] = OrderedDict()


def kept(key: Hashable, make: Callable[[], QuerySet[Any, Any]]) -> Statement:
    """Return the statement of a key; compile it when it is first asked for.

    The key says all that the SQL depends on, but the database.
    """
    key = connection.vendor, key
    statement = _kept.get(key)
    if statement is None:
        statement = _kept[key] = compiled(make())
        if len(_kept) > MAX_KEPT:
            _kept.popitem(last=False)
        return statement
    with suppress(KeyError):  # another thread may just have removed it
        _kept.move_to_end(key)
    return statement


# Whole rows, without a queryset: all that these leave out of the ORM is its signals.


def locked(model: type[M], pk: Any) -> M:
    """Return a row as it is now, locked (``no_key``) to the end of the transaction.

    Raises the model's DoesNotExist.
    """
    # What Django checks when it compiles.
    if not connection.in_atomic_block:
        raise TransactionManagementError("A row is locked in a transaction.")
    fields = model._meta.concrete_fields
    names = [field.attname for field in fields]

    def make() -> QuerySet[M, Any]:
        rows = model._base_manager.select_for_update(no_key=True)
        return rows.filter(pk=Slot("pk", model._meta.pk)).values_list(*names)

    statement = kept((model, "locked"), make)
    for row in statement.rows({"pk": pk}, limit=1):
        values = [statement.converted(row, index) for index in range(len(row))]
        return model.from_db(connection.alias, names, values)
    raise model.DoesNotExist(f"No {model._meta.verbose_name} {pk}.")  # type: ignore[attr-defined]  # every model has one


def insert(row: Model, *, unless_taken: bool = False) -> bool:
    """Insert a new row; a key that the database counts is not read back.

    ``unless_taken``: return False, and leave the transaction usable, if a unique
    constraint forbids it.
    """
    if not row._state.adding:
        raise ValueError("the row is there already")
    fields = _inserted(type(row))
    values = [_prepared(field, row, add=True) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(_insert(type(row), unless_taken), values)
        is_there: bool = cursor.rowcount == 1
    row._state.adding, row._state.db = not is_there, connection.alias
    return is_there


def update(row: Model, names: Collection[str]) -> None:
    """Save the named fields of a row; raise DatabaseError if it is gone."""
    model = type(row)
    every: Sequence[Any] = model._meta.concrete_fields
    fields = [field for field in every if field.name in names]
    values = [_prepared(field, row, add=False) for field in (*fields, model._meta.pk)]
    sql = _update(model, tuple(field.column for field in fields))
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        if cursor.rowcount != 1:
            raise DatabaseError(f"{model._meta.label} {row.pk} is gone.")


def _prepared(field: Any, row: Model, *, add: bool) -> Any:
    return field.get_db_prep_save(field.pre_save(row, add), connection)


def _inserted(model: type[Model]) -> list[Any]:
    meta = model._meta
    return [field for field in meta.concrete_fields if field is not meta.auto_field]


@lru_cache(MAX_KEPT)
def _insert(model: type[Model], unless_taken: bool) -> str:
    quote = connection.ops.quote_name
    columns = [quote(field.column) for field in _inserted(model)]
    places = ", ".join(["%s"] * len(columns))
    table = quote(model._meta.db_table)
    sql = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # of the model
    return f"{sql} ON CONFLICT DO NOTHING" if unless_taken else sql


@lru_cache(MAX_KEPT)
def _update(model: type[Model], columns: tuple[str, ...]) -> str:
    quote = connection.ops.quote_name
    table, pk = quote(model._meta.db_table), quote(str(model._meta.pk.column))
    changes = ", ".join(f"{quote(column)} = %s" for column in columns)
    return f"UPDATE {table} SET {changes} WHERE {pk} = %s"  # noqa: S608  # of the model
