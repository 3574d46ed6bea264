"""Body: the declaration from which a resource is shown and described.

Plain fields are columns; a made field is a function of columns, which it names. From this
Python makes the body of a model, and the database that of each row of a list
(`compute.bodies.written`).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from operator import itemgetter
from typing import Any

from django.db.models import Expression

from compute.bodies.reader import Reader
from compute.limits import LABEL_KEY, LABEL_VALUE, MAX_LABEL_KEY, MAX_LABELS

Schema = Mapping[str, Any]

#: The types of fields, as OpenAPI writes them.
ID: Schema = {"type": "string", "format": "uuid"}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "integer"}
PERCENT: Schema = {"type": "integer", "maximum": 100, "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": "string", "format": "date-time"}
OBJECT: Schema = {"type": "object", "additionalProperties": True}
LABELS: Schema = {
    "type": "object",
    "maxProperties": MAX_LABELS,
    "propertyNames": {"pattern": f"^{LABEL_KEY}$", "maxLength": MAX_LABEL_KEY},
    "additionalProperties": {"type": "string", "pattern": f"^{LABEL_VALUE}$"},
    "example": {"env": "prod"},
}
PROBLEM: Schema = {"$ref": "#/components/schemas/Problem"}


def one_of(values: type[Enum] | tuple[str, ...]) -> Schema:
    """Return the type of a word out of several, to which more may be added."""
    words = values if isinstance(values, tuple) else [word.value for word in values]
    return {"type": "string", "x-extensible-enum": list(words)}


@dataclass(frozen=True, slots=True)
class Many:
    """The type of a list."""

    of: "Schema | Body"


@dataclass(frozen=True, slots=True)
class Each:
    """The type of an object with keys of its own."""

    of: "Schema | Body"


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its type, an example, and where its value comes from."""

    name: str
    #: A body here describes a value that is stored, or made, as it shall look.
    type: "Schema | Body | Many | Each"
    example: Any
    #: The columns it is read from; the one of its own name if not given. A joined one
    #: as Django writes it: ``user__username``.
    at: str | tuple[str, ...] | None = None
    #: Takes the reader and the columns; without it the column is shown as it is. Without
    #: columns the result is a constant. Made of one column and nullable: null stays null.
    made: Callable[..., Any] | None = None
    #: Whether its columns have few distinct values, and the result is the same for every
    #: reader: then results are reused.
    few: bool = False
    #: Whether `made` takes the columns of many rows, a tuple for each, and returns a list:
    #: so it can ask the database once for all of them.
    together: bool = False
    #: Property of the model that it is read from -> the same as an SQL expression.
    computed: Mapping[str, Expression] = dataclasses.field(default_factory=dict)
    #: The whole field as an SQL expression: the database uses it in place of `made`.
    sql: Expression | None = None
    null: bool = False
    about: str = ""
    #: Whether it is always there.
    required: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        at = self.name if self.at is None else self.at
        return (at,) if isinstance(at, str) else at


class Body:
    """How one kind of resource is shown."""

    def __init__(self, name: str, about: str, *fields: Field) -> None:
        """Take the name of its OpenAPI component, a description, and the fields."""
        self.name = name
        self.about = about
        self.fields = fields
        #: What a row needs to hold.
        self.columns = tuple(
            dict.fromkeys(column for field in fields for column in field.columns)
        )
        plain = [field for field in fields if field.made is None]
        self._blank: dict[str, Any] = dict.fromkeys(field.name for field in fields)
        self._names = tuple(field.name for field in plain)
        self._plain = _values(tuple(column for f in plain for column in f.columns))
        self._made = [_made(f) for f in fields if f.made and not f.together]
        self._together = [_made(f) for f in fields if f.made and f.together]

    def show(self, row: Any, reader: Reader | None = None) -> dict[str, Any]:
        """Return the body of a model, or of a mapping with `columns`.

        Without a reader it is nobody's in particular, and links are paths.
        """
        return self.show_all([row], reader)[0]

    def show_all(
        self, rows: Iterable[Any], reader: Reader | None = None
    ) -> list[dict[str, Any]]:
        """Return the bodies of several, as `show` does that of one."""
        reader = reader or Reader()
        read = [
            row
            if isinstance(row, Mapping)
            else {column: _read(row, column) for column in self.columns}
            for row in rows
        ]
        bodies = [self._show(row, reader) for row in read]
        for name, made, values in self._together:
            results = made(reader, [tuple(values(row)) for row in read])
            for body, result in zip(bodies, results, strict=True):
                body[name] = result
        return bodies

    def _show(self, row: Mapping[str, Any], reader: Reader) -> dict[str, Any]:
        # What is plain, which is nearly all of it, in two calls; in the order declared.
        body = self._blank.copy()
        body.update(zip(self._names, self._plain(row), strict=True))
        for name, made, values in self._made:
            body[name] = made(reader, *values(row))
        return body

    @property
    def example(self) -> dict[str, Any]:
        return {field.name: field.example for field in self.fields}


def _made(field: Field) -> tuple[str, Any, Callable[[Mapping[str, Any]], Any]]:
    return field.name, field.made, _values(field.columns)


def _values(columns: tuple[str, ...]) -> Callable[[Mapping[str, Any]], Iterable[Any]]:
    """Return what takes some columns out of a row."""
    if len(columns) > 1:
        return itemgetter(*columns)
    return lambda row: [row[column] for column in columns]


def _read(row: Any, column: str) -> Any:
    for step in column.split("__"):
        row = None if row is None else getattr(row, step)
    return row
