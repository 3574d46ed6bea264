"""`label_selector=env=prod,tier!=db,team in (a,b),!legacy`, as Kubernetes has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import F, Func, Q, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.lookups import In, IsNull

from compute.limits import is_label_key, is_label_value

MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Literal["in", "notin", "exists", "absent"]
    values: frozenset[str] = frozenset()


def parse(text: str) -> list[Requirement]:
    """Return the requirements, all of which must hold, or raise ValueError."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"A selector has at most {MAX_LENGTH} characters.")
    return [_requirement(part) for part in _split(text)]


def _split(text: str) -> Iterator[str]:
    """Yield the parts between commas, apart from commas in parentheses."""
    start, inside = 0, False
    for index, character in enumerate(text):
        if character in "()":
            inside = character == "("
        elif character == "," and not inside:
            yield text[start:index]
            start = index + 1
    yield text[start:]


def _requirement(text: str) -> Requirement:
    text = text.strip()
    if text.endswith(")"):
        requirement = _in_set(text)
    elif "=" in text:
        requirement = _equality(text)
    elif text.startswith("!"):
        requirement = Requirement(text[1:].strip(), "absent")
    else:
        requirement = Requirement(text, "exists")
    if is_label_key(requirement.key) and all(map(is_label_value, requirement.values)):
        return requirement
    raise ValueError(f"Cannot read {text!r} as a requirement on a label.")


def _in_set(text: str) -> Requirement:
    """Read ``key in (a,b)`` or ``key notin (a,b)``."""
    left, _, inside = text[:-1].partition("(")
    values = frozenset(value.strip() for value in inside.split(","))
    match left.split():
        case [key, "in"]:
            return Requirement(key, "in", values)
        case [key, "notin"]:
            return Requirement(key, "notin", values)
    return Requirement("", "in")  # an empty key is none


def _equality(text: str) -> Requirement:
    """Read ``key=value``, ``key==value`` or ``key!=value``."""
    key, _, value = text.partition("=")
    if key.endswith("!"):
        return Requirement(key[:-1].strip(), "notin", frozenset([value.strip()]))
    value = value.removeprefix("=").strip()
    return Requirement(key.strip(), "in", frozenset([value]))


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
