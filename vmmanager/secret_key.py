"""The SECRET_KEY: given in production, made once and kept in development."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def check_secret_key(key: str) -> str:
    """Return the key, or refuse to start with one that can be guessed."""
    if len(key) < 50 or len(set(key)) < 5 or key.startswith("django-insecure"):
        raise ImproperlyConfigured(
            "SECRET_KEY must be set to 50 random characters or more when DEBUG=false"
        )
    return key


def development_secret(path: Path) -> str:
    """Return the secret kept in a file only its owner can read, making it once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        handle, draft = tempfile.mkstemp(dir=path.parent)  # for its owner only
        with os.fdopen(handle, "w") as file:
            file.write(get_random_secret_key())
        # Of several processes that start together one wins: link never overwrites.
        with suppress(FileExistsError):
            os.link(draft, path)
        os.unlink(draft)
    return path.read_text()
