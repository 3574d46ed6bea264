"""Databases of a benchmark's own: files in its folder, or made and dropped again."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.errors import DuplicateDatabase


@contextmanager
def new_database(
    server_url: str, folder: Path, suffix: str, *, keep: bool = False
) -> Iterator[str]:
    """Yield the URL of a database that is empty now and removed afterwards.

    Without ``server_url`` it is a file of SQLite in the folder. With the URL of a
    database of PostgreSQL it lies beside that one, under its name and ``suffix``; the
    one named is not written to. ``keep`` leaves it there for the next time, and takes
    what the last time has left.
    """
    if not server_url:
        yield f"sqlite:///{folder / suffix}.sqlite3"
        for file in folder.glob(f"{suffix}.sqlite3*"):
            file.unlink()
        return
    parts = urlsplit(server_url)
    name = f"{parts.path.strip('/')}_bench_{suffix}"
    remove = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
        sql.Identifier(name)
    )
    create = sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name))
    with psycopg.connect(server_url, autocommit=True) as connection:
        if not keep:
            connection.execute(remove)
        with suppress(DuplicateDatabase):
            connection.execute(create)
        try:
            yield parts._replace(path=f"/{name}").geturl()
        finally:
            if not keep:
                connection.execute(remove)


def for_peer(database_url: str) -> str:
    """Return a URL as SQLAlchemy reads it: with the name of the driver."""
    scheme, _, rest = database_url.partition("://")
    return f"{'sqlite' if scheme == 'sqlite' else 'postgresql+psycopg'}://{rest}"
