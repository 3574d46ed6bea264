"""Databases of a benchmark's own: files in its folder, or made and dropped again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql


@contextmanager
def new_database(server_url: str, folder: Path, suffix: str) -> Iterator[str]:
    """Yield the URL of an empty database that is removed afterwards.

    Without ``server_url`` it is a file of SQLite in the folder. With the URL of a
    database of PostgreSQL it lies beside that one, under its name and ``suffix``; the
    one named is not written to.
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
        connection.execute(remove)
        connection.execute(create)
        try:
            yield parts._replace(path=f"/{name}").geturl()
        finally:
            connection.execute(remove)


def for_peer(database_url: str) -> str:
    """Return a URL as SQLAlchemy reads it: with the name of the driver."""
    scheme, _, rest = database_url.partition("://")
    return f"{'sqlite' if scheme == 'sqlite' else 'postgresql+psycopg'}://{rest}"
