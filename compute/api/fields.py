"""Fields and bodies that take nothing silently: no trimming, no coercion, no extras."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from django.core.validators import RegexValidator
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.utils import html

from compute.api.problems import escaped
from compute.errors import MAX_ERRORS, ValidationError
from compute.models.limits import (
    LABEL_KEY,
    LABEL_VALUE,
    LINES,
    MAX_LABEL_KEY,
    MAX_LABELS,
    MAX_NAME,
    NAME,
    is_label_key,
    is_label_value,
)


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


class Line(Text):
    """One line, 1 to 255 characters: names, and what things are called elsewhere.

    Surrounding spaces are refused, not cut off: a client reads back what it sent.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_NAME, **kwargs)
        self.validators.append(
            RegexValidator(
                NAME,
                "Must not begin or end with a space, nor hold control characters.",
            )
        )


class Lines(Text):
    """Text of several lines."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_blank=True, **kwargs)
        self.validators.append(
            RegexValidator(LINES, "Must not hold control characters.")
        )


class Flag(serializers.BooleanField):
    """true or false, not "yes", "1" or 1."""

    def to_internal_value(self, data: Any) -> bool:
        is_form = html.is_html_input(getattr(self.parent, "initial_data", None))
        if not isinstance(data, bool) and not is_form:
            self.fail("invalid", input=data)
        value: bool = super().to_internal_value(data)
        return value


class Word(serializers.ChoiceField):
    """One of a few strings."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        value: str = super().to_internal_value(data)
        return value


@extend_schema_field(
    {
        "type": "object",
        "maxProperties": MAX_LABELS,
        "propertyNames": {"pattern": f"^{LABEL_KEY}$", "maxLength": MAX_LABEL_KEY},
        "additionalProperties": {"type": "string", "pattern": f"^{LABEL_VALUE}$"},
        "example": {"env": "prod"},
    }
)
class Labels(serializers.Field[dict[str, str], Any, dict[str, str], Any]):
    """Keys and values within the limits of Kubernetes."""

    default_error_messages = {
        "invalid": "Must be an object of strings.",
        "max_length": f"At most {MAX_LABELS} labels.",
        "key": "A key has up to 63 letters, digits, '-', '_' or '.', begins and ends "
        "with a letter or digit, and may have a DNS name and '/' before it.",
        "value": "A value has up to 63 letters, digits, '-', '_' or '.', and begins "
        "and ends with a letter or digit.",
    }

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("style", {"base_template": "textarea.html", "rows": 3})
        super().__init__(**kwargs)

    def get_value(self, dictionary: Mapping[str, Any]) -> Any:
        if not html.is_html_input(dictionary):
            return super().get_value(dictionary)
        # From a form it is JSON in a text area.
        text = dictionary.get(self.field_name or "", "")
        try:
            return json.loads(text) if text.strip() else serializers.empty
        except ValueError:
            return text

    def to_internal_value(self, data: Any) -> dict[str, str]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(data) > MAX_LABELS:
            self.fail("max_length")
        wrong: dict[str, Any] = {}
        for key, value in data.items():
            if not is_label_key(key):
                wrong[key] = [self.error_messages["key"]]
            elif not isinstance(value, str) or not is_label_value(value):
                wrong[key] = [self.error_messages["value"]]
        if wrong:
            raise serializers.ValidationError(wrong)
        return data

    def to_representation(self, value: dict[str, str]) -> Any:
        return value


class Body(serializers.Serializer[Any]):
    """A request body: an object, of which every member is known."""

    default_error_messages = {"invalid": "The body must be an object."}

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


class NoBody(Body):
    """Nothing, or an empty object."""
