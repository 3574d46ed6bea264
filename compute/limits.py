"""What a name, a text and a label may hold; every door keeps to it."""

import re
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator, RegexValidator

MAX_NAME = 255
MAX_DESCRIPTION = 4096
#: Of a receiver of webhooks.
MAX_URL = 2048
#: Characters of an answer that are kept.
MAX_EXCERPT = 1024
#: Bytes; Nova takes 65,535 characters of Base64.
MAX_USER_DATA = 49_149
#: Characters of a field that holds it: Base64, with line breaks as MIME has them.
MAX_USER_DATA_TEXT = 70_000
#: Of a quota; a client's floating point still holds it.
MAX_LIMIT = 2**53 - 1

# Labels as Kubernetes has them: 63 characters, and a key may have a DNS name before it.
_WORD = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_DNS = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*"
LABEL_KEY = rf"({_DNS}/)?{_WORD}"
LABEL_VALUE = rf"({_WORD})?"
MAX_LABEL_KEY = 253 + 1 + 63
MAX_LABELS = 64

_CONTROL = r"\x00-\x1f\x7f-\x9f"
#: How something is called elsewhere: one line, without a space at either end.
LINE = rf"\A[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?\Z"
#: Any lines, without other control characters.
LINES = r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z"

# What Nova prints (nova/api/validation/parameter_types.py), and Glance stores: Unicode's
# basic plane without control, format and private characters and line separators.
_PRINTED = (
    r"\u00a1-\u00ac\u00ae-\u05ff\u0606-\u061b\u061d-\u06dc\u06de-\u070e\u0710-\u088f"
    r"\u0892-\u08e1\u08e3-\u167f\u1681-\u180d\u180f-\u1fff\u2010-\u2027\u2030-\u205e"
    r"\u2065\u2070-\u2fff\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufefe\uff00-\ufff8"
    r"\ufffc\ufffd\u0021-\u007e"
)
_SPACES = r"\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
#: A name as JSON Schema can tell it; it also holds no character that Unicode has not
#: assigned, which is no range to write down.
NAME = rf"\A[{_PRINTED}]([{_PRINTED}{_SPACES}]*[{_PRINTED}])?\Z"


class NameValidator(RegexValidator):
    """The one rule for names: what Nova and Glance take.

    Surrounding spaces are refused, not cut off: a client reads back what it sent.
    """

    regex = NAME

    def __call__(self, value: Any) -> None:
        for position, char in enumerate(value[:MAX_NAME], start=1):
            if not _is_printed(char):
                raise ValidationError(
                    f"Must not contain U+{ord(char):04X} (character {position}).",
                    code="invalid",
                )
        if value != value.strip():
            raise ValidationError("Must not begin or end with a space.", code="invalid")


def _is_printed(char: str) -> bool:
    category = unicodedata.category(char)
    return char <= "\uffff" and (category == "Zs" or category[0] not in "CZ")


#: An id as the API writes it, as a regular expression.
UUID_TEXT = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def is_id(text: str) -> bool:
    """Whether a text can be read as an id; a name that can would be taken for one."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


class LinesValidator(RegexValidator):
    """Text that JSON, a database and a terminal can hold."""

    regex = LINES
    message = "Must not contain control characters."

    def __call__(self, value: Any) -> None:
        super().__call__(value)
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise ValidationError("Must be valid Unicode.", code="invalid") from error


def is_label_key(text: object) -> bool:
    return (
        isinstance(text, str)
        and len(text) <= MAX_LABEL_KEY
        and bool(re.fullmatch(LABEL_KEY, text))
    )


def is_label_value(text: object) -> bool:
    return isinstance(text, str) and bool(re.fullmatch(LABEL_VALUE, text))


TOO_MANY_LABELS = f"At most {MAX_LABELS} labels."
NO_LABEL_KEY = (
    "A key has up to 63 letters, digits, '-', '_' or '.', begins and ends with a letter "
    "or digit, and may have a DNS name and '/' before it."
)
NO_LABEL_VALUE = (
    "A value has up to 63 letters, digits, '-', '_' or '.', and begins and ends with a "
    "letter or digit."
)


def wrong_labels(labels: Mapping[Any, Any]) -> dict[Any, str]:
    """Return what is wrong with labels, by key."""
    return {
        key: NO_LABEL_VALUE if is_label_key(key) else NO_LABEL_KEY
        for key, value in labels.items()
        if not (is_label_key(key) and is_label_value(value))
    }


def validate_labels(value: Any) -> None:
    """Raise ValidationError for what are no labels as Kubernetes has them."""
    if not isinstance(value, dict):
        raise ValidationError("Must be an object of strings.", code="invalid")
    if len(value) > MAX_LABELS:
        raise ValidationError(TOO_MANY_LABELS, code="max_length")
    for key, fault in wrong_labels(value).items():
        raise ValidationError(f"{key!r}: {fault}", code="invalid")


#: On the model's fields, and so checked by every service and door.
NAME_RULES = (NameValidator(),)
DESCRIPTION_RULES = (MaxLengthValidator(MAX_DESCRIPTION), LinesValidator())
LABELS_RULES = (validate_labels,)
