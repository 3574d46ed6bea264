"""The database: whether an error means that it is away, and how to wait without it."""

from django.db import (
    DatabaseError,
    InterfaceError,
    InternalError,
    OperationalError,
    connection,
)

#: PostgreSQL's code of a write to a server that only reads: its primary has moved.
_READ_ONLY = "25006"


def is_away(error: BaseException) -> bool:
    """Whether the same request may succeed once the database is well again.

    It cannot be reached, has ended the connection, is locked, full, or reads only.
    """
    if isinstance(error, OperationalError | InterfaceError):
        return True
    return (
        isinstance(error, InternalError)
        and getattr(error.__cause__, "sqlstate", None) == _READ_ONLY
    )


def give_back() -> None:
    """Leave this thread's connection to others; the next query takes one again.

    Call it before waiting for anything else. SQLite has no server that would have to
    keep connections, and opening its file again costs more than the look that follows.
    """
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        try:
            connection.close()
        except DatabaseError:
            # Of a connection that broke there is nothing to give back.
            connection.connection = None
