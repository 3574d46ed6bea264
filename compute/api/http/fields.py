"""Fields and bodies that take nothing silently: no trimming, no coercion, no extras."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, ClassVar, cast
from uuid import UUID

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from compute.api.http.problems import escaped
from compute.bodies.body import LABELS
from compute.errors import MAX_ERRORS, ValidationError
from compute.limits import (
    LINE,
    MAX_LABELS,
    MAX_NAME,
    NAME_RULES,
    TOO_MANY_LABELS,
    UUID_TEXT,
    LinesValidator,
    wrong_labels,
)

#: RFC 3339. A bare time would mean something else elsewhere.
TIME = "2026-11-23T10:00:00Z"
NO_TIME = f"Must be a time like {TIME}."
#: The most that a list in a body may have, unless it says otherwise.
MAX_NAMES = 100
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
#: The one form in which the API writes ids.
NO_ID = "Must be a UUID like 8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11."


def read_time(text: object) -> datetime:
    """Return the time, in UTC, that RFC 3339 writes so; ValueError if it is none."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise ValueError(text)
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:  # at the ends of the calendar
        raise ValueError(text) from error


class Text(serializers.CharField):
    """A string, kept exactly as sent."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        # DRF's field would take a number and make it a string.
        if not isinstance(data, str):
            self.fail("invalid")
        value: str = super().to_internal_value(data)
        return value


@extend_schema_field({"$ref": "#/components/schemas/Name"})
class Name(Text):
    """The name of something of ours: the rule is the model's."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NAME, **kwargs)
        self.validators.extend(NAME_RULES)


class Line(Text):
    """One line, 1 to 255 characters: what something is called, here or elsewhere."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NAME, **kwargs)
        self.validators.append(
            RegexValidator(
                LINE,
                "Must not begin or end with a space, or contain control characters.",
            )
        )


class Lines(Text):
    """Text of several lines."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, **kwargs)
        self.validators.append(LinesValidator())


def _is_form(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Whether a field's value was typed into a form of the browsable API: as text."""
    return html.is_html_input(getattr(field.parent, "initial_data", None))


class Whole(serializers.IntegerField):
    """A whole number: 12 or 12.0, which JSON does not tell apart, but not "12"."""

    default_error_messages = {"invalid": "Must be a whole number."}

    def to_internal_value(self, data: Any) -> int:
        if not _is_form(self):
            if isinstance(data, float) and data.is_integer():
                data = int(data)
            if type(data) is not int:
                self.fail("invalid")
        value: int = super().to_internal_value(data)
        return value


class Id(serializers.UUIDField):
    """A UUID as text."""

    default_error_messages = {"invalid": NO_ID}

    def to_internal_value(self, data: Any) -> UUID:
        if not isinstance(data, str) or not re.fullmatch(UUID_TEXT, data):
            self.fail("invalid")
        return UUID(data)


class Time(serializers.DateTimeField):
    """A time with its offset."""

    def __init__(self, **kwargs: Any) -> None:
        # A browser's own field for a time would send none with an offset.
        super().__init__(style={"input_type": "text", "placeholder": TIME}, **kwargs)

    def to_internal_value(self, value: Any) -> datetime:
        try:
            return read_time(value)
        except ValueError as error:
            raise serializers.ValidationError(NO_TIME, code="invalid") from error


class Flag(serializers.BooleanField):
    """true or false, not "yes", "1" or 1."""

    default_error_messages = {"invalid": "Must be true or false."}

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool) and not _is_form(self):
            self.fail("invalid", input=data)
        value: bool = super().to_internal_value(data)
        return value


class Word(serializers.ChoiceField):
    """One of a few strings."""

    default_error_messages = {"invalid_choice": "Must be one of {known}."}

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str) or data not in self.choices:
            self.fail("invalid_choice", known=", ".join(self.choices))
        value: str = super().to_internal_value(data)
        return value


class _JSONInForms(serializers.Field[Any, Any, Any, Any]):
    """What a form of the browsable API has as JSON in a text area."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("style", {"base_template": "textarea.html", "rows": 3})
        super().__init__(**kwargs)

    def get_value(self, dictionary: Mapping[str, Any]) -> Any:
        if not html.is_html_input(dictionary):
            return super().get_value(dictionary)
        # Kept as typed: a form that is refused shows it again.
        text = dictionary.get(self.field_name or "", "")
        return text if text.strip() else serializers.empty

    def run_validation(self, data: Any = serializers.empty) -> Any:
        if isinstance(data, str) and _is_form(self):
            with suppress(ValueError):
                data = json.loads(data)
        return super().run_validation(data)

    def to_representation(self, value: Any) -> Any:
        return json.dumps(value) if _is_form(self) else value


class Names(_JSONInForms, serializers.ListField):
    """A list of what things are called, not too long a one."""

    child: serializers.Field[Any, Any, Any, Any] = Line()

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_NAMES)
        # An empty form begins without any list, not with an empty one.
        super().__init__(initial=None, **kwargs)

    def to_internal_value(self, data: Any) -> list[Any]:
        # Before each of them is looked at: a megabyte holds many.
        most = self.max_length
        if most is not None and isinstance(data, list) and len(data) > most:
            self.fail("max_length", max_length=most)
        value: list[Any] = super().to_internal_value(data)
        return value


@extend_schema_field(dict(LABELS))
class Labels(_JSONInForms):
    """Keys and values within the limits of Kubernetes."""

    default_error_messages = {
        "invalid": "Must be an object of strings.",
        "max_length": TOO_MANY_LABELS,
    }

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > MAX_LABELS:
            self.fail("max_length")
        if wrong := wrong_labels(data):
            raise serializers.ValidationError(wrong)
        return data


class RequestBody(serializers.Serializer[Any]):
    """A request body: an object without unknown members."""

    default_error_messages = {"invalid": "Must be an object."}
    #: One that is valid, for the OpenAPI file; a body inside of another needs none.
    example: ClassVar[Mapping[str, Any] | None] = None

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return super().to_internal_value(data)
        known = {*self.fields, "csrfmiddlewaretoken"}
        unknown = [str(name) for name in data if name not in known]
        if len(unknown) > MAX_ERRORS:
            # As many as a megabyte holds: DRF would make objects of them all.
            raise self._all_unknown(unknown)
        problems: dict[str, Any] = {
            name: [serializers.ErrorDetail("Unknown field.", code="unknown")]
            for name in unknown
        }
        try:
            value = super().to_internal_value(data)
        except serializers.ValidationError as exc:
            # Of a body it is always a dictionary: field -> its errors.
            problems.update(cast(dict[str, Any], exc.detail))
        if problems:
            raise serializers.ValidationError(problems)
        return value

    def _all_unknown(self, names: Sequence[str]) -> ValidationError:
        path = ""
        node: Any = self
        while node.parent is not None:
            path, node = f"/{node.field_name}{path}", node.parent
        return ValidationError(
            [
                {
                    "pointer": f"#{path}/{escaped(name)}",
                    "code": "unknown",
                    "detail": "Unknown field.",
                }
                for name in names[:MAX_ERRORS]
            ],
            more=len(names) - MAX_ERRORS,
        )


class NoBody(RequestBody):
    """Nothing, or an empty object."""
