"""The JSON of rows, made where that is cheapest.

Converting a page of rows to Python values and back to text takes longer than the rest of
a list request. PostgreSQL writes one text per row. SQLite is slow at that, and faster at
handing over plain values, which need little to become JSON. What only Python can make
(`Field.made` without `sql`) is put in here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import islice, repeat
from operator import itemgetter
from typing import Any, NamedTuple, TypeAlias, TypeVar

import orjson
from django.db import connection, models
from django.db.models import Expression, F, Func

from compute.bodies.body import Body, Field
from compute.bodies.reader import Reader
from compute.statements import Row, Statement

T = TypeVar("T")
AnyField: TypeAlias = "models.Field[Any, Any]"


class Form(NamedTuple):
    """How PostgreSQL writes a type of column as JSON."""

    #: `{0}` is the column.
    sql: str
    #: Whether it still needs quotes around it.
    quoted: bool = False


_POSTGRESQL: "Mapping[type[AnyField], Form]" = {
    models.UUIDField: Form("{0}", quoted=True),
    models.BooleanField: Form("({0})::text"),
    models.DateTimeField: Form(
        "replace(to_char({0} AT TIME ZONE 'UTC','YYYY-MM-DD\"T\"HH24:MI:SS.US')"
        ",'.000000','')||'Z'",
        quoted=True,
    ),
    models.IntegerField: Form("{0}"),
    models.JSONField: Form("{0}"),
    models.GenericIPAddressField: Form("host({0})", quoted=True),
    models.Field: Form("to_json({0})"),
}
#: Arguments that PostgreSQL takes for a function.
_MAX_ARGUMENTS = 100


# Most of them are in many rows.
@lru_cache(10_000)
def _dashed(id: str) -> str:
    return f"{id[:8]}-{id[8:12]}-{id[12:16]}-{id[16:20]}-{id[20:]}"


def _with_zone(time: str) -> str:
    return f"{time[:10]}T{time[11:]}Z"


#: Type of column -> makes JSON of what SQLite keeps, where that is not the same.
_SQLITE: "Mapping[type[AnyField], Callable[[Any], Any] | None]" = {
    models.UUIDField: _dashed,
    models.BooleanField: bool,
    models.DateTimeField: _with_zone,
    models.JSONField: orjson.Fragment,
    models.Field: None,
}


class Column(NamedTuple):
    value: Expression | F
    #: Whether it can be null.
    null: bool


class JSONText(Func):
    """Columns as JSON, between constants, in one text of PostgreSQL."""

    output_field = models.TextField()

    def __init__(self, *pieces: str | Column) -> None:
        super().__init__(
            *(piece.value for piece in pieces if isinstance(piece, Column))
        )
        self.pieces = pieces

    def as_postgresql(
        self, compiler: Any, connection: Any, **_: Any
    ) -> tuple[str, Any]:
        sources = iter(self.get_source_expressions())
        arguments: list[str] = []
        parameters: list[Any] = []
        constant = ""
        for piece in self.pieces:
            if isinstance(piece, str):
                constant += piece
                continue
            source = next(sources)
            form = _form_of(source.output_field, _POSTGRESQL)
            sql, values = compiler.compile(source)
            text = form.sql.format(sql)
            if piece.null:
                quoted = f"'\"'||{text}||'\"'" if form.quoted else f"({text})::text"
                arguments += _literal(constant), f"coalesce({quoted},'null')"
                constant = ""
            else:
                quote = '"' if form.quoted else ""
                arguments += _literal(constant + quote), text
                constant = quote
            parameters += values
        arguments.append(_literal(constant))
        # Cheaper by half than as many `||`.
        calls = [
            f"concat({','.join(arguments[first : first + _MAX_ARGUMENTS])})"
            for first in range(0, len(arguments), _MAX_ARGUMENTS)
        ]
        return f"({'||'.join(calls)})", parameters


def _literal(text: str) -> str:
    # The declared names and constants; the driver reads % as a place.
    quoted = text.replace("'", "''").replace("%", "%%")
    return f"'{quoted}'"


def _form_of(field: "AnyField", forms: "Mapping[type[AnyField], T]") -> T:
    """Return what is said of a type, or of the nearest that it is derived from."""
    return next(forms[kind] for kind in type(field).__mro__ if kind in forms)


class _Made:
    """A field that Python makes of some columns of a row, which lie side by side."""

    def __init__(self, field: Field, first: int) -> None:
        self.field = field
        self.columns = slice(first, first + len(field.columns))
        #: The values of which the result is null, if there are such.
        self.null_of = (None,) if field.null and len(field.columns) == 1 else None
        self.known: dict[Row, str] = {}

    def texts(
        self, rows: Sequence[Row], reader: Reader, statement: Statement
    ) -> list[str]:
        """Return the JSON of the field in each of some rows."""
        if not self.field.together:
            return [self._json(row, reader, statement) for row in rows]
        make: Any = self.field.made
        values = [tuple(self._values(row, statement)) for row in rows]
        return [_dumps(value) for value in make(reader, values)]

    def _json(self, row: Row, reader: Reader, statement: Statement) -> str:
        values = tuple(row[self.columns])
        if values == self.null_of:
            return "null"
        if not self.field.few:
            return self._make(row, reader, statement)
        text = self.known.get(values)
        if text is None:
            text = self.known[values] = self._make(row, reader, statement)
        return text

    def _make(self, row: Row, reader: Reader, statement: Statement) -> str:
        make: Any = self.field.made
        return _dumps(make(reader, *self._values(row, statement)))

    def _values(self, row: Row, statement: Statement) -> list[Any]:
        columns = range(self.columns.start, self.columns.stop)
        return [statement.converted(row, column) for column in columns]


class Writer(ABC):
    """Selects what a body needs, and makes its JSON of the answer."""

    def __init__(self) -> None:
        self.selected: list[Expression | F] = []

    @abstractmethod
    def array(self, rows: Sequence[Row], reader: Reader, statement: Statement) -> str:
        """Return the JSON of rows, as an array."""

    def object(self, row: Row, reader: Reader, statement: Statement) -> str:
        """Return the JSON of one row."""
        return self.array([row], reader, statement)[1:-1]

    def _select_made(self, field: Field) -> _Made:
        made = _Made(field, len(self.selected))
        self.selected += [
            field.computed.get(column) or F(column) for column in field.columns
        ]
        return made


class TextWriter(Writer):
    """Has the database write texts."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        self._parts: list[int | _Made] = []
        pieces: list[str | Column] = []
        opening = "{"
        for field in body.fields:
            pieces.append(f'{opening}"{field.name}":')
            opening = ","
            if _is_plain(field):
                pieces.append(Column(_value(field), field.null))
            elif field.columns:
                self._select_text(pieces)
                pieces = []
                self._parts.append(self._select_made(field))
            else:
                pieces.append(_constant(field))
        self._select_text([*pieces, "}"])

    def _select_text(self, pieces: Sequence[str | Column]) -> None:
        self._parts.append(len(self.selected))
        self.selected.append(JSONText(*pieces))

    def array(self, rows: Sequence[Row], reader: Reader, statement: Statement) -> str:
        columns = [
            [row[part] for row in rows]
            if isinstance(part, int)
            else part.texts(rows, reader, statement)
            for part in self._parts
        ]
        objects = map("".join, zip(*columns, strict=True))
        return f"[{','.join(objects)}]"


class ValueWriter(Writer):
    """Takes plain values from the database, and converts them a column at a time."""

    def __init__(self, body: Body) -> None:
        super().__init__()
        plain = [field for field in body.fields if _is_plain(field)]
        made = [f for f in body.fields if f.columns and not _is_plain(f)]
        constant = [field for field in body.fields if not field.columns]
        self.selected += [_value(field) for field in plain]
        self._plain = len(plain)
        self._made = [self._select_made(field) for field in made]
        self._constants = [orjson.Fragment(_constant(field)) for field in constant]
        self._names = [field.name for field in body.fields]
        columns = [*plain, *made, *constant]
        self._in_order = itemgetter(*map(columns.index, body.fields))
        #: Index of a plain column that is converted -> how; known with a statement.
        self._forms: Mapping[int, Callable[[Any], Any]] | None = None

    def array(self, rows: Sequence[Row], reader: Reader, statement: Statement) -> str:
        if not rows:
            return "[]"
        if self._forms is None:
            self._forms = _forms_of(statement.fields[: self._plain])
        columns: list[Iterable[Any]] = [*islice(zip(*rows, strict=True), self._plain)]
        for index, form in self._forms.items():
            columns[index] = [
                None if value is None else form(value) for value in columns[index]
            ]
        for made in self._made:
            texts = made.texts(rows, reader, statement)
            columns.append(map(orjson.Fragment, texts))
        columns += [repeat(constant, len(rows)) for constant in self._constants]
        objects = [
            dict(zip(self._names, row, strict=True))
            for row in zip(*self._in_order(columns), strict=True)
        ]
        return orjson.dumps(objects).decode()


def _forms_of(fields: Iterable["AnyField"]) -> dict[int, Callable[[Any], Any]]:
    forms = enumerate(_form_of(field, _SQLITE) for field in fields)
    return {index: form for index, form in forms if form is not None}


def _is_plain(field: Field) -> bool:
    return field.made is None or field.sql is not None


def _value(field: Field) -> Expression | F:
    return F(field.columns[0]) if field.sql is None else field.sql


def _constant(field: Field) -> str:
    make: Any = field.made
    return _dumps(make(Reader()))


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()


@cache
def writer_of(body: Body) -> Writer:
    kind = TextWriter if connection.vendor == "postgresql" else ValueWriter
    return kind(body)
