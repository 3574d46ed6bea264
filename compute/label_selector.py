"""`label_selector=env=prod,tier!=db,team in (a,b),!legacy`, as Kubernetes has it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import BooleanField, F, Func, Q

from compute.limits import is_label_key, is_label_value

MAX_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Requirement:
    key: str
    operator: Literal["in", "notin", "exists", "absent"]
    values: frozenset[str] = frozenset()

    def holds_for(self, labels: Mapping[str, str]) -> bool:
        """Whether labels meet it; what lacks the key has no such value either."""
        has = self.key in labels
        if self.values:
            has = has and labels[self.key] in self.values
        return has != (self.operator in ("notin", "absent"))


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


class HasLabel(Func):
    """Whether labels have a key; with values, one of these under it.

    Not a key transform of JSONField: that takes a key of digits for a position in a
    list. Never NULL, so that its opposite is what Kubernetes has: what lacks the label
    has no such value either.
    """

    output_field = BooleanField()

    def __init__(self, labels: Any, key: str, values: Sequence[str] = ()) -> None:
        super().__init__(labels)
        self.key = key
        self.values = values

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        labels, parameters = compiler.compile(self.source_expressions[0])
        value = f"JSON_EXTRACT({labels}, %s)"
        # Keys hold no quote, so that nothing in them ends the path.
        parameters = [*parameters, f'$."{self.key}"']
        if not self.values:
            return f"{value} IS NOT NULL", parameters
        places = ", ".join(["%s"] * len(self.values))
        return f"COALESCE({value} IN ({places}), FALSE)", [*parameters, *self.values]

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        # Operators that a GIN index knows.
        labels, parameters = compiler.compile(self.source_expressions[0])
        if not self.values:
            return f"{labels} ? %s", [*parameters, self.key]
        pairs = [json.dumps({self.key: value}) for value in self.values]
        contains = f"{labels} @> %s::jsonb"
        return f"({' OR '.join([contains] * len(pairs))})", [
            parameter for pair in pairs for parameter in (*parameters, pair)
        ]


def condition(requirements: list[Requirement]) -> Q:
    """Return the condition on a ``labels`` column."""
    result = Q()
    for requirement in requirements:
        values = tuple(sorted(requirement.values))
        holds = Q(HasLabel(F("labels"), requirement.key, values))
        result &= ~holds if requirement.operator in ("notin", "absent") else holds
    return result


def matches(requirements: Iterable[Requirement], labels: Mapping[str, str]) -> bool:
    """Whether labels meet all requirements: `condition`, of what is no row."""
    return all(requirement.holds_for(labels) for requirement in requirements)
