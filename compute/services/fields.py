"""The rules on the fields of a row, checked by services and so by every door."""

from typing import Any

from django.core.exceptions import ValidationError as FieldError
from django.db.models import Model

from compute.errors import ValidationError


def check(row: Model, *names: str, pointer: str = "#/{}") -> None:
    """Raise ValidationError unless the named fields hold what the model allows.

    Nothing is coerced: a number is no text, and a text that reads as one no number.
    """
    errors = [
        {"pointer": pointer.format(name), "code": code, "detail": detail}
        for name in names
        for code, detail in _faults(row, name)
    ]
    if errors:
        raise ValidationError(errors)


def _faults(row: Model, name: str) -> list[tuple[str, str]]:
    field: Any = row._meta.get_field(name)
    value = getattr(row, name)
    try:
        if type(field.clean(value, row)) is not type(value):
            raise FieldError("Has the wrong type.", code="invalid")
    except FieldError as error:
        return [
            (fault.code or "invalid", detail)
            for fault in error.error_list
            for detail in fault.messages
        ]
    return []
