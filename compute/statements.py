"""SQL that is compiled once, and from then on only given its values.

The ORM compiles a query each time it runs, which takes longer than running most of them.
A `Statement` is compiled once, with `Slot`s in place of the values.
"""

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import orjson
from django.core.exceptions import EmptyResultSet
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    NotSupportedError,
    OperationalError,
    connection,
    connections,
)
from django.db.models import BooleanField, Expression, F, Field, Model, QuerySet
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=Model)

#: Statements that a process keeps. Clients choose among many orderings: those that
#: were not used for longest go first.
MAX_KEPT = 1_000

Row = Sequence[Any]
Parameters = Sequence[Any] | Mapping[str, Any]


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
        fields: Sequence["Field[Any, Any]"],
        converters: Mapping[int, Callable[[Any], Any]],
        *,
        prefix: str,
    ) -> None:
        """Take SQL with a %s for each of its parameters, which are values and slots.

        Empty SQL has no rows. Fields are the types of its columns, and converters make
        Python's values of theirs. The prefix tells the parameters of two statements
        apart.
        """
        # By name: Django turns these into SQLite's placeholders at less cost.
        named = [(f"{prefix}{index}", given) for index, given in enumerate(parameters)]
        places = [
            _AMONG if isinstance(given, Among) else f"%({name})s"
            for name, given in named
        ]
        self._sql = sql.replace("%%", "%%%%") % tuple(places) if sql else ""
        #: Whether one plan does for all values. For one out of several the best plan
        #: depends on how many rows each has: made without them it may walk them all.
        self._prepare = " IN (" not in sql
        self.fields = fields
        #: What its columns are called in another statement.
        self.columns = ",".join(f"c{index}" for index in range(len(fields)))
        self._slots = [item for item in named if isinstance(item[1], Slot)]
        self._constants = {
            name: given for name, given in named if not isinstance(given, Slot | Among)
        }
        self._converters = converters

    def rows(self, values: Mapping[str, Any], *, limit: int) -> list[Row]:
        """Return rows as the database gives them; see `converted`."""
        if not self._sql:
            return []
        ending, places = cut(limit)
        return fetch(
            self._sql + ending, {**self.bound(values), **places}, prepare=self._prepare
        )

    def page(
        self, values: Mapping[str, Any], *, limit: int, offset: int = 0
    ) -> list[Row]:
        """Return rows as `rows` does, at least cost for many. None of them is binary."""
        if not self._sql:
            return []
        ending, places = cut(limit, offset)
        return self._at_once(
            self._sql + ending,
            {**self.bound(values), **places},
            prepare=self._prepare and not offset,
        )

    def page_among(
        self, others: "Statement", values: Mapping[str, Any], *, limit: int, offset: int
    ) -> list[Row]:
        """Return those of the rows whose keys another statement finds, so many of them.

        This one has an `Among` for them.
        """
        if not others._sql:
            return []
        ending, places = cut(limit, offset)
        return self._at_once(
            self._sql.replace(_AMONG, others._sql + ending),
            {**self._constants, **others.bound(values), **places},
            prepare=False,
        )

    def _at_once(self, sql: str, parameters: Parameters, *, prepare: bool) -> list[Row]:
        """Have SQLite answer once, by JSON.

        For each row it lets other threads run and waits until they let it go on, which
        among four threads takes most of the time of a page.
        """
        if connection.vendor != "sqlite":
            return fetch(sql, parameters, prepare=prepare)
        ((text,),) = fetch(self.as_json(sql), parameters)
        rows: list[Row] = orjson.loads(text)
        return rows

    def as_json(self, sql: str) -> str:
        """Return SQL of SQLite that has its rows in one JSON text."""
        columns = self.columns
        return (
            f"WITH found({columns}) AS ({sql})"  # noqa: S608  # compiled
            f" SELECT json_group_array(json_array({columns})) FROM found"
        )

    def with_column(self, slot: str, column: str) -> str:
        """Return its SQL with a column of another statement in place of a slot."""
        sql = self._sql
        for name, given in self._slots:
            if given.name == slot:
                sql = sql.replace(f"%({name})s", column)
        return sql

    def count(self, values: Mapping[str, Any], *, limit: int) -> int:
        """Return how many rows there are, up to a limit."""
        if not self._sql:
            return 0
        ending, places = cut(limit)
        ((count,),) = fetch(
            f"SELECT COUNT(*) FROM ({self._sql}{ending}) counted",  # noqa: S608  # compiled
            {**self.bound(values), **places},
            prepare=self._prepare,
        )
        return int(count)

    def converted(self, row: Row, column: int) -> Any:
        """Return Python's value of one column of a row."""
        convert = self._converters.get(column)
        return row[column] if convert is None else convert(row[column])

    def bound(self, values: Mapping[str, Any], *, but: str = "") -> dict[str, Any]:
        """Return the parameters of its SQL, but those of one slot."""
        return {
            **self._constants,
            **{n: slot.bind(values) for n, slot in self._slots if slot.name != but},
        }


def cut(limit: int, offset: int = 0) -> tuple[str, dict[str, int]]:
    """Return the end of a query that takes so many rows, and what goes into it."""
    if connection.vendor == "postgresql":  # which plans for the limit that it sees
        return f" LIMIT {limit:d}" + (f" OFFSET {offset:d}" if offset else ""), {}
    # Each connection to SQLite keeps few statements: one serves pages of every size.
    places = {"limit": limit, "offset": offset}
    return " LIMIT %(limit)s OFFSET %(offset)s", places


#: Where another statement goes into one with an `Among`.
_AMONG = "%(among)s"


def fetch(sql: str, parameters: Parameters, *, prepare: bool = False) -> list[Row]:
    """Return the rows of a query that changes nothing.

    ``prepare``: it is asked again and again. A connection to PostgreSQL that has planned
    it often enough then keeps the plan, unless DATABASE_PREPARE says no: planning takes
    longer than running.
    """
    # `connection` looks up this thread's connection again for each attribute.
    database: Any = connections[DEFAULT_DB_ALIAS]
    # The pool's; where there is none, connections are not checked when they are lent.
    lend: Callable[[], None] | None = getattr(database, "connect_unchecked", None)
    if lend is None or database.connection is not None:
        return _fetch(database, sql, parameters, prepare)
    lend()
    try:
        return _fetch(database, sql, parameters, prepare)
    except OperationalError:
        if not getattr(database.connection, "closed", True):
            raise
        # The server had ended it: ask once more, of one that is checked.
        database.close()
        return _fetch(database, sql, parameters, prepare)


def _fetch(database: Any, sql: str, parameters: Parameters, prepare: bool) -> list[Row]:
    # Not in a transaction: a plan that has become void would abort it.
    if prepare and database.vendor == "postgresql" and not database.in_atomic_block:
        try:
            return _run(_server_binding_cursor(database), sql, parameters)
        except NotSupportedError:  # a migration has changed a column since
            with database.cursor() as cursor:
                cursor.execute("DEALLOCATE ALL")
    return _run(database.cursor(), sql, parameters)


def _server_binding_cursor(database: Any) -> Any:
    """Return a cursor as `database.cursor()` does, but one that can keep plans.

    The one that Django makes by itself writes the values into the SQL.
    """
    from django.db.backends.postgresql.base import ServerBindingCursor

    database.ensure_connection()
    kind: Any = ServerBindingCursor
    return database._prepare_cursor(kind(database.connection))


def _run(cursor: Any, sql: str, parameters: Parameters) -> list[Row]:
    with cursor:
        cursor.execute(sql, parameters)
        rows: list[Row] = cursor.fetchall()
        return rows


def compiled(queryset: QuerySet[Any, Any], *, prefix: str = "p") -> Statement:
    """Compile a queryset of tuples (`values_list`)."""
    compiler = queryset.query.get_compiler(connection=connection)
    try:
        sql, parameters = compiler.as_sql()
    except EmptyResultSet:
        return Statement("", (), (), {}, prefix=prefix)
    columns = [column for column, *_ in compiler.select]
    converters = compiler.get_converters(columns)
    return Statement(
        sql,
        parameters,
        [column.output_field for column in columns],
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
