"""What a name, a text and a label may hold; every door keeps to it."""

import re

MAX_NAME = 255
MAX_DESCRIPTION = 4096
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
#: One line without control characters, and without a space at either end: whoever
#: reads it back shall get what was sent, so it is refused rather than trimmed.
NAME = rf"\A[^\s{_CONTROL}]([^{_CONTROL}]*[^\s{_CONTROL}])?\Z"
#: Any lines, without other control characters.
LINES = r"\A[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*\Z"


def is_label_key(text: str) -> bool:
    return len(text) <= MAX_LABEL_KEY and bool(re.fullmatch(LABEL_KEY, text))


def is_label_value(text: str) -> bool:
    return bool(re.fullmatch(LABEL_VALUE, text))
