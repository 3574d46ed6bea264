"""The SECRET_KEY: given in production, made once and kept in development."""

import os
import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key


def check_secret_key(key: str) -> str:
    """Return the key, or refuse to start with one that can be guessed."""
    if len(key) < 50 or _is_patterned(key) or key.startswith("django-insecure"):
        raise ImproperlyConfigured(
            "SECRET_KEY must be set to 50 random characters or more when DEBUG=false"
        )
    return key


def _is_patterned(key: str) -> bool:
    """Whether a key repeats or counts instead of being drawn at random.

    Of 64 random hexadecimal digits, the least varied key one would make, hardly any
    three stand there twice and most steps from one to the next occur.
    """
    threes = {key[i : i + 3] for i in range(len(key) - 2)}
    steps = {ord(after) - ord(before) for before, after in pairwise(key)}
    return len(set(key)) < 10 or len(steps) < 10 or len(threes) < 0.8 * (len(key) - 2)


def development_secret(path: Path) -> str:
    """Return the secret kept in a file only its owner can read, making it once."""
    try:
        if not path.exists():
            _make(path)
        return path.read_text()
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR cannot be written to: {error}") from error


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent)  # for its owner only
    with os.fdopen(handle, "w") as file:
        file.write(get_random_secret_key())
    # Of several processes that start together one wins: link never overwrites.
    with suppress(FileExistsError):
        os.link(draft, path)
    os.unlink(draft)
