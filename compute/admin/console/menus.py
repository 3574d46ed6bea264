"""The filters of a list as its page shows them: what is chosen, and what there is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.contrib.admin import ListFilter
from django.contrib.admin.views.main import SEARCH_VAR
from django.utils.text import capfirst

from compute.admin.console.dates import DatesFilter, Input


class Chip(NamedTuple):
    """What a list is narrowed to."""

    title: str
    value: str
    #: The list without it.
    url: str


class Choice(NamedTuple):
    label: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """What a filter offers: links, and of days a form."""

    title: str
    choices: Sequence[Choice]
    inputs: Sequence[Input] = ()
    #: What else is chosen, which the form keeps.
    kept: Sequence[tuple[str, str]] = ()


def menus(changelist: Any) -> Iterator[Menu]:
    for spec in changelist.filter_specs:
        title = capfirst(str(spec.title))
        choices = [
            Choice(choice["display"], choice["query_string"], choice["selected"])
            for choice in _choices(spec, changelist)
        ]
        if isinstance(spec, DatesFilter):
            names = spec.expected_parameters()
            kept = [(k, v) for k, v in changelist.given.items() if k not in names]
            yield Menu(title, choices, spec.inputs, kept)
        elif not getattr(spec, "is_link", False):
            yield Menu(title, choices)


def chips(changelist: Any) -> Iterator[Chip]:
    if changelist.query:
        without = changelist.get_query_string(remove=[SEARCH_VAR])
        yield Chip("Search", changelist.query, without)
    for name, title, value in changelist.linked():
        yield Chip(title, value, changelist.get_query_string(remove=[name]))
    for spec in changelist.filter_specs:
        # The first choice of each is that nothing is chosen.
        nothing, *choices = _choices(spec, changelist)
        chosen = [str(one["display"]) for one in choices if one["selected"]]
        value = spec.chosen if isinstance(spec, DatesFilter) else "".join(chosen)
        if value:
            yield Chip(capfirst(str(spec.title)), value, nothing["query_string"])


def _choices(spec: ListFilter, changelist: Any) -> list[Any]:
    return list(spec.choices(changelist))
