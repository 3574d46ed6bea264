"""The folder of all local state. Nobody but its owner reads it: it holds the keys."""

import os
import stat
from contextlib import suppress
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

#: By these a folder is known as ours.
_KEPT_HERE = ("secret_key", "admin_password", "*.sqlite3")
_FILES = (*_KEPT_HERE, "*.sqlite3-wal", "*.sqlite3-shm", "beat")


def prepare(path: Path) -> Path:
    """Make the folder, or close one that is ours to everybody else."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A folder that is somebody's for other things, /tmp or a home, stays as it is.
        if not any(path.iterdir()) or any(_matching(path, _KEPT_HERE)):
            _close(path, 0o700)
        for file in _matching(path, _FILES):
            _close(file, 0o600)
    except OSError as error:
        raise ImproperlyConfigured(f"DATA_DIR cannot be created: {error}") from error
    return path


def private_file(path: Path) -> None:
    """Make a file for its owner alone, unless it is there, and see that it opens.

    SQLite gives what it keeps beside a database (-wal, -shm) the database's own mode.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        # SQLite needs to make files beside it.
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise PermissionError(f"{path.parent} is read-only")
    except OSError as error:
        raise ImproperlyConfigured(
            f"The folder of the database cannot be written to: {error}"
        ) from error


def _matching(path: Path, patterns: tuple[str, ...]) -> list[Path]:
    return [file for pattern in patterns for file in path.glob(pattern)]


def _close(path: Path, mode: int) -> None:
    found = path.stat()
    is_shared = bool(found.st_mode & stat.S_ISVTX)
    if found.st_uid == os.geteuid() and not is_shared and found.st_mode & 0o077:
        with suppress(OSError):  # a read-only file system: nobody makes it worse
            path.chmod(mode)
