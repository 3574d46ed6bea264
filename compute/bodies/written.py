"""Have the database write bodies as JSON, one text per row.

Converting a page of rows to Python values and back to text takes longer than the rest of
a list request. Fields that only Python can make (`Field.made` without `sql`) are inserted
into the text here.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

import orjson
from django.db import models
from django.db.models import Expression, F, Func

from compute.bodies.body import Body, Field
from compute.bodies.reader import Reader
from compute.statements import Row, Statement

Forms = Mapping[type["models.Field[Any, Any]"], str]

#: Type of column -> its JSON, in SQL; `{0}` is the column.
_SQLITE: Forms = {
    models.UUIDField: (
        "'\"'||substr({0},1,8)||'-'||substr({0},9,4)||'-'||substr({0},13,4)||'-'"
        "||substr({0},17,4)||'-'||substr({0},21)||'\"'"
    ),
    models.BooleanField: "iif({0},'true','false')",
    models.DateTimeField: "'\"'||replace({0},' ','T')||'Z\"'",
    models.IntegerField: "{0}",
    models.JSONField: "{0}",
    models.Field: "json_quote({0})",
}
_POSTGRESQL: Forms = {
    models.UUIDField: "'\"'||{0}||'\"'",
    models.BooleanField: "({0})::text",
    models.DateTimeField: (
        "'\"'||replace(to_char({0} AT TIME ZONE 'UTC',"
        "'YYYY-MM-DD\"T\"HH24:MI:SS.US'),'.000000','')||'Z\"'"
    ),
    models.IntegerField: "({0})::text",
    models.JSONField: "({0})::text",
    models.GenericIPAddressField: "'\"'||host({0})||'\"'",
    models.Field: "to_json({0})::text",
}


class Column(NamedTuple):
    value: Expression | F
    #: Whether it can be null.
    null: bool


class JSONText(Func):
    """Columns as JSON, between constants, in one text."""

    output_field = models.TextField()

    def __init__(self, *pieces: str | Column) -> None:
        super().__init__(
            *(piece.value for piece in pieces if isinstance(piece, Column))
        )
        self.pieces = pieces

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:
        return self._concatenated(compiler, _SQLITE)

    def as_postgresql(
        self, compiler: Any, connection: Any, **_: Any
    ) -> tuple[str, Any]:
        return self._concatenated(compiler, _POSTGRESQL)

    def _concatenated(self, compiler: Any, forms: Forms) -> tuple[str, list[Any]]:
        sources = iter(self.get_source_expressions())
        texts: list[str] = []
        parameters: list[Any] = []
        for piece in self.pieces:
            if isinstance(piece, str):
                # The declared names and constants; the driver reads % as a place.
                quoted = piece.replace("'", "''").replace("%", "%%")
                texts.append(f"'{quoted}'")
                continue
            source = next(sources)
            form = _form_of(source.output_field, forms)
            sql, values = compiler.compile(source)
            text = form.format(sql)
            texts.append(f"coalesce({text},'null')" if piece.null else text)
            parameters += [*values] * form.count("{0}")
        return f"({'||'.join(texts)})", parameters


def _form_of(field: "models.Field[Any, Any]", forms: Forms) -> str:
    return next(forms[kind] for kind in type(field).__mro__ if kind in forms)


class _Made:
    """A field that Python makes of some columns of a row, which lie side by side."""

    def __init__(self, field: Field, first: int) -> None:
        self.field = field
        self.columns = slice(first, first + len(field.columns))
        #: The values of which the result is null, if there are such.
        self.null_of = (None,) if field.null and len(field.columns) == 1 else None
        self.known: dict[Row, str] = {}

    def json(self, row: Row, reader: Reader, statement: Statement) -> str:
        values = row[self.columns]
        if values == self.null_of:
            return "null"
        if not self.field.few:
            return self._make(row, reader, statement)
        text = self.known.get(values)
        if text is None:
            text = self.known[values] = self._make(row, reader, statement)
        return text

    def _make(self, row: Row, reader: Reader, statement: Statement) -> str:
        columns = range(self.columns.start, self.columns.stop)
        make: Any = self.field.made
        values = [statement.converted(row, column) for column in columns]
        return _dumps(make(reader, *values))


class Writer:
    """Selects what a body needs, and assembles its JSON from the answer."""

    def __init__(self, body: Body) -> None:
        self.selected: list[Expression | F] = []
        self._parts: list[int | _Made] = []
        pieces: list[str | Column] = []
        opening = "{"
        for field in body.fields:
            pieces.append(f'{opening}"{field.name}":')
            opening = ","
            if field.made is None or field.sql is not None:
                value = F(field.columns[0]) if field.sql is None else field.sql
                pieces.append(Column(value, field.null))
            elif field.columns:
                self._select_text(pieces)
                pieces = []
                self._parts.append(_Made(field, len(self.selected)))
                self.selected += [
                    field.computed.get(column) or F(column) for column in field.columns
                ]
            else:  # a constant
                pieces.append(_dumps(field.made(Reader())))
        self._select_text([*pieces, "}"])

    def _select_text(self, pieces: Sequence[str | Column]) -> None:
        self._parts.append(len(self.selected))
        self.selected.append(JSONText(*pieces))

    def text(self, row: Row, reader: Reader, statement: Statement) -> str:
        """Return the JSON of one row."""
        return "".join(
            [
                row[part]
                if isinstance(part, int)
                else part.json(row, reader, statement)
                for part in self._parts
            ]
        )


def _dumps(value: Any) -> str:
    return orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z).decode()


@cache
def writer_of(body: Body) -> Writer:
    return Writer(body)
