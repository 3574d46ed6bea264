"""A way into the admin for development; it does not exist when DEBUG is false."""

import os
import secrets
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from compute.models import User

USERNAME = "admin"


class Account(NamedTuple):
    username: str
    password: str


def development_admin() -> Account | None:
    """Return the generated operator account, making it on an empty user table.

    None when DEBUG is false, when other users were made first, or when the generated
    password was changed.
    """
    if not settings.DEBUG:
        return None
    path = settings.DATA_DIR / "admin_password"
    if not User.objects.exists():
        User.objects.create_superuser(USERNAME, password=_password(path))
    admin = User.objects.filter(username=USERNAME, is_superuser=True).first()
    if admin and path.exists() and admin.check_password(path.read_text()):
        return Account(USERNAME, path.read_text())
    return None


def _password(path: Path) -> str:
    """Return the password in a file only its owner can read, making it once."""
    if not path.exists():
        with open(
            path, "x", opener=lambda name, flags: os.open(name, flags, 0o600)
        ) as file:
            file.write(secrets.token_urlsafe(12))
    return path.read_text()
