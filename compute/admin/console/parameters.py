"""What the address of a page may ask for: a closed set, as over the API.

Django takes any lookup of any field from the address of a list. So who may see a list
could read fields that it does not show, letter by letter, and a value that the database
does not understand ended as an internal error.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.contrib.admin import (
    ChoicesFieldListFilter,
    ListFilter,
    SimpleListFilter,
)
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.views.main import (
    ALL_VAR,
    ERROR_FLAG,
    IGNORED_PARAMS,
    ORDER_VAR,
    PAGE_VAR,
    SEARCH_VAR,
)
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.utils.http import urlencode

from compute.limits import is_id

MAX_SEARCH = 255
#: What Django's lists take out of an address before they look for filters.
_DJANGOS = frozenset({*IGNORED_PARAMS, PAGE_VAR, ERROR_FLAG})
#: Of every list -> what their values look like; Django's own links leave some empty.
_OF_LISTS = {
    ALL_VAR: re.compile(r""),
    ORDER_VAR: re.compile(r"(-?[0-9]{1,2}(\.-?[0-9]{1,2})*)?"),
    PAGE_VAR: re.compile(r"[1-9][0-9]{0,8}"),
    SEARCH_VAR: re.compile(rf"(?s).{{0,{MAX_SEARCH}}}"),
}
_FILTERS = "_changelist_filters"
#: Of every other page: where a list was, which page of a history, that it stands in a
#: small window, from which the id of a new row goes back to the form below, which tab is
#: shown, and which row a new one is to be like.
_OF_PAGES = {
    _FILTERS: re.compile(r"(?s).{0,2000}"),
    PAGE_VAR: re.compile(r"[1-9][0-9]{0,8}"),
    IS_POPUP_VAR: re.compile(r"1"),
    TO_FIELD_VAR: re.compile(r"id"),
    "tab": re.compile(r"[a-z-]{1,20}"),
    "like": re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
}
#: Of the suggestions while somebody types in a field, and which field that is.
_OF_SUGGESTIONS = {
    "term": re.compile(rf"[^\0]{{0,{MAX_SEARCH}}}"),
    "page": re.compile(r"([1-9][0-9]{0,8})?"),
    **dict.fromkeys(("app_label", "model_name", "field_name"), re.compile(r"\w{1,50}")),
}
#: The id of a row: ours are UUIDs, Django's are numbers.
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


class UnknownParameterError(Exception):
    """An address asks for what its page does not offer; the text is for people."""


def kept_filters(request: HttpRequest) -> str:
    """Return the query by which a page leads back to the list as it was, if any."""
    filters = request.GET.get(_FILTERS)
    return f"?{urlencode({_FILTERS: filters})}" if filters else ""


def check_page(request: HttpRequest) -> None:
    """Raise UnknownParameterError unless the address of a page is one of ours."""
    _check(request, _OF_PAGES)


def check_suggestions(request: HttpRequest) -> None:
    """Raise UnknownParameterError unless a field of ours can ask for suggestions so."""
    _check(request, _OF_SUGGESTIONS)


def _check(request: HttpRequest, known: Mapping[str, re.Pattern[str]]) -> None:
    for name, value in _given(request):
        if name not in known or not known[name].fullmatch(value):
            raise _not_offered(name)


def check_list(request: HttpRequest) -> None:
    """Raise UnknownParameterError unless a list knows those of Django's own it is given.

    Django takes the rest for filters: see `check_links`.
    """
    for name, value in _given(request):
        if name in _DJANGOS and (
            name not in _OF_LISTS or not _OF_LISTS[name].fullmatch(value)
        ):
            raise _not_offered(name)


def check_links(others: Mapping[str, list[Any]], links: Collection[str]) -> None:
    """Raise UnknownParameterError for what no filter of a list took, nor is a link.

    ``links`` are the parameters by which other pages lead here: the id of a row.
    """
    for name, values in others.items():
        if name not in links or not all(
            is_id(value) or _NUMBER.fullmatch(value) for value in values
        ):
            raise _not_offered(name)


def check_choices(specs: Iterable[ListFilter]) -> None:
    """Raise UnknownParameterError for a value that is no choice of its filter."""
    for spec in specs:
        match spec:
            case SimpleListFilter():
                known = {"", *(str(key) for key, _ in spec.lookup_choices)}
                checks = {str(spec.parameter_name): (spec.value() or "") in known}
            case ChoicesFieldListFilter():
                known = {str(key) for key, _ in spec.field.flatchoices}
                chosen = spec.lookup_val or ()
                checks = {spec.lookup_kwarg: known.issuperset(chosen)}
            case _:
                continue
        for name, is_known in checks.items():
            if not is_known:
                raise _not_offered(name)


def check_selected(request: HttpRequest, key: Any) -> None:
    """Raise UnknownParameterError for a selected row whose key cannot be one."""
    for value in request.POST.getlist(ACTION_CHECKBOX_NAME):
        try:
            key.to_python(value)
        except ValidationError as error:
            raise _not_offered(ACTION_CHECKBOX_NAME) from error


def _given(request: HttpRequest) -> Iterator[tuple[str, str]]:
    for name, values in request.GET.lists():
        if len(values) > 1:
            raise UnknownParameterError(f"The address has “{name[:50]}” twice.")
        yield name, str(values[0])


def _not_offered(name: str) -> UnknownParameterError:
    return UnknownParameterError(
        f"This page has no parameter “{name[:50]}”, or not with this value."
    )
