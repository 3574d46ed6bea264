"""User data: from what a client writes to the bytes that cloud-init reads."""

from base64 import b64decode

from django.core.exceptions import ValidationError as FieldError

from compute.errors import ValidationError
from compute.limits import MAX_USER_DATA, LinesValidator
from compute.models import UserDataEncoding


def decode(text: str, encoding: str) -> bytes:
    """Return the bytes for the cloud, or raise ValidationError.

    Base64 may have line breaks, as ``base64`` prints them.
    """
    try:
        LinesValidator()(text)
    except FieldError as error:
        raise _refusal("invalid", " ".join(error.messages)) from None
    try:
        data = (
            b64decode("".join(text.split()), validate=True)
            if encoding == UserDataEncoding.BASE64
            else text.encode()
        )
    except ValueError:
        raise _refusal("invalid", f"Not valid as {encoding}.") from None
    if len(data) > MAX_USER_DATA:
        raise _refusal("max_length", f"At most {MAX_USER_DATA} bytes.")
    return data


def _refusal(code: str, detail: str) -> ValidationError:
    return ValidationError([{"pointer": "#/user_data", "code": code, "detail": detail}])
