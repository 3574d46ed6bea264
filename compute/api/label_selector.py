"""`label_selector=env=prod,tier!=db,team in (a,b),!legacy`, as Kubernetes has it."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.lookups import In, IsNull

from compute.models.limits import LABEL_KEY, LABEL_VALUE, is_label_value

_IN = re.compile(
    rf"\s*(?P<key>{LABEL_KEY})\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)\s*"
)
_EQUALS = re.compile(
    rf"\s*(?P<key>{LABEL_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>{LABEL_VALUE})\s*"
)
_EXISTS = re.compile(rf"\s*(?P<not>!?)\s*(?P<key>{LABEL_KEY})\s*")

MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Literal["in", "notin", "exists", "absent"]
    values: frozenset[str] = frozenset()


def parse(text: str) -> list[Requirement]:
    """Return the requirements, all of which must hold; ValueError if it is none."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"A selector has at most {MAX_LENGTH} characters.")
    return [_requirement(part) for part in _split(text)]


def _split(text: str) -> list[str]:
    """Split at the commas outside of parentheses."""
    return re.split(r",(?![^(]*\))", text)


def _requirement(text: str) -> Requirement:
    if match := _IN.fullmatch(text):
        values = [value.strip() for value in match["values"].split(",")]
        if all(is_label_value(value) for value in values):
            op: Literal["in", "notin"] = "in" if match["op"] == "in" else "notin"
            return Requirement(match["key"], op, frozenset(values))
    elif match := _EQUALS.fullmatch(text):
        op = "notin" if match["op"] == "!=" else "in"
        return Requirement(match["key"], op, frozenset([match["value"]]))
    elif match := _EXISTS.fullmatch(text):
        return Requirement(match["key"], "absent" if match["not"] else "exists")
    raise ValueError(f"Cannot read {text.strip()!r} as a requirement on a label.")


class LabelValue(Func):
    """The value of one label; NULL without it.

    Not a key transform of JSONField: that takes a key of digits for a position in a
    list.
    """

    output_field = TextField()
    arity = 2

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Keys hold no quote, so that nothing in them ends the path.
        labels, key = self.get_source_expressions()
        path = Value(f'$."{key.value}"')
        return Func(labels, path, function="JSON_EXTRACT").as_sql(compiler, connection)

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, function="jsonb_extract_path_text", **context
        )


def condition(requirements: list[Requirement]) -> Q:
    """Return the condition on a ``labels`` column."""
    result = Q()
    for requirement in requirements:
        value = LabelValue(F("labels"), Value(requirement.key))
        result &= _holds(requirement, value)
    return result


def _holds(requirement: Requirement, value: Combinable) -> Q:
    absent = Q(IsNull(value, True))
    match requirement.operator:
        case "exists":
            return Q(IsNull(value, False))
        case "absent":
            return absent
        case "in":
            return Q(In(value, sorted(requirement.values)))
        case "notin":
            # As in Kubernetes: what lacks the label has no such value either.
            return absent | ~Q(In(value, sorted(requirement.values)))
