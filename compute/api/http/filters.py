"""Query parameters of lists: several values = OR, and nothing unknown or empty."""

import csv
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import django_filters
from django import forms
from django.db import models
from django.db.models import Model, Q, QuerySet
from django_filters.fields import BaseCSVField
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from django_filters.widgets import BaseCSVWidget
from drf_spectacular.drainage import set_override
from drf_spectacular.utils import extend_schema_field

from compute import label_selector
from compute.api.http.fields import NO_ID, NO_TIME, read_time
from compute.api.http.parameters import joined
from compute.errors import ValidationError
from compute.limits import UUID_TEXT
from compute.search import has_address, id_prefix

MAX_VALUES = 100
MAX_TEXT = 255
UNREADABLE = (
    "A value that contains a comma, or begins with a quote, must be in "
    'double quotes: "a,b". Quotes inside it are doubled.'
)


class StrictFilterBackend(DjangoFilterBackend):
    """django-filter, with its errors as ours and an empty value as an error."""

    def filter_queryset(
        self, request: Any, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        known = self.get_filterset_class(view, queryset)
        # A set with its form takes a millisecond to make, so only if there is a use.
        if known is None or known.base_filters.keys().isdisjoint(request.query_params):
            return queryset
        filterset: Any = self.get_filterset(request, queryset, view)
        errors = _unreadable(filterset, filterset.data)
        if not errors and not filterset.is_valid():
            errors = [
                {"parameter": name, "code": str(error.code), "detail": detail}
                for name, found in filterset.form.errors.as_data().items()
                for error in found
                for detail in error.messages
            ]
        if errors:
            raise ValidationError(errors)
        filtered: QuerySet[Any] = filterset.qs
        return filtered

    def get_filterset_kwargs(
        self, request: Any, queryset: QuerySet[Any], view: Any
    ) -> dict[str, Any]:
        kwargs = super().get_filterset_kwargs(request, queryset, view)
        return {**kwargs, "data": joined(request)}


def several(filterset: type[FilterSet]) -> frozenset[str]:
    """Return the parameters that take several values."""
    return frozenset(
        name
        for name, known in filterset.base_filters.items()
        if isinstance(known, django_filters.BaseInFilter)
    )


def _unreadable(filterset: Any, params: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the parameters that hold no value, too many, or none that can be read."""
    errors = []
    for name, known in filterset.filters.items():
        if name not in params:
            continue
        is_list = isinstance(known, django_filters.BaseInFilter)
        values = values_of(params[name]) if is_list else [params[name]]
        if fault := fault_of(name, values):
            errors.append(fault)
    return errors


def fault_of(name: str, values: list[str] | None) -> dict[str, str] | None:
    """Return what is wrong with how the values of a parameter are listed, if it is."""
    if values is None:
        code, detail = "invalid", UNREADABLE
    elif "" in values:
        code, detail = "blank", "Must not be empty; leave the parameter out instead."
    elif len(values) > MAX_VALUES:
        code, detail = "max_length", f"At most {MAX_VALUES} values."
    else:
        return None
    return {"parameter": name, "code": code, "detail": detail}


def values_of(text: str) -> list[str] | None:
    """Return the values that a text lists; None if they cannot be read.

    As in CSV: commas between them, and double quotes around one that holds a comma.
    """
    try:
        return next(csv.reader([text], strict=True)) or [""]
    except csv.Error:
        return None


class ValuesWidget(BaseCSVWidget):
    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return values_of(data[name]) if name in data else None


class ValuesField(BaseCSVField):
    base_widget_class = ValuesWidget


class InFilter(django_filters.BaseInFilter):
    """One of several values."""

    base_field_class = ValuesField


#: One of several values.
TEXT_VALUE = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "pattern": r'^([^",\r\n][^,\r\n]*|"([^"]|"")+")$',
}


@extend_schema_field(TEXT_VALUE)
class TextIn(InFilter, django_filters.CharFilter):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=MAX_TEXT, **kwargs)


class ChoiceIn(InFilter, django_filters.ChoiceFilter):
    def __init__(self, words: type[models.TextChoices], **kwargs: Any) -> None:
        errors = {"invalid_choice": f"Must be one of {', '.join(words.values)}."}
        super().__init__(choices=words.choices, error_messages=errors, **kwargs)
        # `schema.enums` makes a component of it.
        schema = {
            "type": "string",
            "x-component": {words.__name__: words.values},
            "description": kwargs.get("help_text", ""),
        }
        set_override(self, "field", schema)


@extend_schema_field({"type": "boolean"})
class YesNo(django_filters.ChoiceFilter):
    """A field that is true or false."""

    def __init__(self, **kwargs: Any) -> None:
        words = (("true", "true"), ("false", "false"))
        errors = {"invalid_choice": "Must be true or false."}
        super().__init__(choices=words, error_messages=errors, **kwargs)

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return super().filter(qs, value == "true") if value else qs


class IdField(forms.Field):
    def to_python(self, value: str | None) -> UUID | None:
        if not value:
            return None
        if not re.fullmatch(UUID_TEXT, value):
            raise forms.ValidationError(NO_ID, code="invalid")
        return UUID(value)


@extend_schema_field({"type": "string", "format": "uuid"})
class UUIDIn(InFilter, django_filters.Filter):
    field_class = IdField


class About(UUIDIn):
    """Operations or events of things of one kind, as what they are about or beside it."""

    def __init__(self, kind: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kind = kind

    def filter(self, qs: Any, value: list[UUID] | None) -> Any:
        return qs.about(self.kind, *value) if value else qs


@extend_schema_field({"type": "string", "minLength": 1, "maxLength": MAX_TEXT})
class Text(django_filters.CharFilter):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strip=False, max_length=MAX_TEXT, **kwargs)


class TimeField(forms.Field):
    def to_python(self, value: str | None) -> datetime | None:
        if value is None or value == "":
            return None
        try:
            return read_time(value)
        except ValueError as error:
            raise forms.ValidationError(NO_TIME, code="invalid") from error


@extend_schema_field({"type": "string", "format": "date-time"})
class Time(django_filters.Filter):
    field_class = TimeField


class SelectorField(forms.Field):
    def to_python(self, value: str | None) -> Any:
        if not value:
            return None
        try:
            return label_selector.parse(value)
        except ValueError as exc:
            raise forms.ValidationError(str(exc), code="invalid") from exc


@extend_schema_field({"type": "string", "maxLength": label_selector.MAX_LENGTH})
class LabelSelector(django_filters.Filter):
    """Kubernetes' grammar; all requirements must hold."""

    field_class = SelectorField

    def __init__(self, **kwargs: Any) -> None:
        help_text = (
            "Requirements on labels, as in Kubernetes; all must hold: "
            "`env=prod,tier!=db,team in (a,b),!legacy`."
        )
        super().__init__(help_text=help_text, **kwargs)

    def filter(self, qs: QuerySet[Model], value: Any) -> QuerySet[Model]:
        return qs if value is None else qs.filter(label_selector.condition(value))


class Search(Text):
    """Part of the name, or the beginning of an id."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(Q(name__icontains=value) | id_prefix(value))


class SearchWithAddress(Text):
    """Part of the name, or the beginning of an id or of an address."""

    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(
            Q(name__icontains=value) | id_prefix(value) | has_address(value)
        )


class Reference(TextIn):
    """A flavor or an image: its name as it was sent, or our id."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if not value:
            return qs
        ids = []
        for text in value:
            try:
                ids.append(UUID(text))
            except ValueError:
                continue
        name = self.field_name or ""
        return qs.filter(
            Q(**{f"{name}_name__in": value}) | Q(**{f"{name}_id__in": ids})
        )


#: A row may be created by one clock and changed by another.
CLOCKS_DIFFER = timedelta(minutes=1)


class CreatedSince(Time):
    """Created at a time or later; and so changed later, which a list ordered by that
    need not find out row by row.
    """

    def filter(self, qs: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        if value is None:
            return qs
        qs = qs.filter(created_at__gte=value)
        with suppress(OverflowError):
            qs = qs.filter(updated_at__gte=value - CLOCKS_DIFFER)
        return qs


class UpdatedBefore(Time):
    """Changed before a time; and so created before it."""

    def filter(self, qs: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        if value is None:
            return qs
        qs = qs.filter(updated_at__lt=value)
        with suppress(OverflowError):
            qs = qs.filter(created_at__lt=value + CLOCKS_DIFFER)
        return qs


class NamedFilterSet(FilterSet):
    """What every list of named things offers."""

    id = UUIDIn(help_text="These ids.")
    name = TextIn(
        help_text='Exactly these names; one with a comma in double quotes: `"a,b"`.'
    )
    name__contains = Text(
        field_name="name",
        lookup_expr="icontains",
        help_text="Part of the name, in upper or lower case.",
    )


class CreatedFilterSet(FilterSet):
    """When something was created."""

    created_at__gte = Time(field_name="created_at", lookup_expr="gte")
    created_at__lt = Time(field_name="created_at", lookup_expr="lt")


class UpdatedFilterSet(CreatedFilterSet):
    """When something was created, and last changed."""

    created_at__gte = CreatedSince()
    updated_at__gte = Time(field_name="updated_at", lookup_expr="gte")
    updated_at__lt = UpdatedBefore()
