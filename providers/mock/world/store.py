"""The SQLite file behind the mock: connections, transactions, tables.

Threads and processes share the file. Each thread has a connection of its own; a child
process opens new ones. As everywhere, a process that forks while other threads are
inside a C library risks a child that hangs: fork first, start threads later.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from providers.errors import Unreachable
from providers.mock.world import ports, topology
from providers.mock.world.seed import FLAVORS, IMAGES

#: Seconds a writer waits for another; less than the cloud's call_timeout.
PATIENCE = 4.0

_SCHEMA = """
CREATE TABLE servers (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    project TEXT NOT NULL,
    name TEXT NOT NULL,
    created_at INTEGER NOT NULL,     -- whole seconds, as Nova sorts
    visible_at INTEGER NOT NULL,
    locked INTEGER NOT NULL DEFAULT 0,
    tags TEXT NOT NULL,
    metadata TEXT NOT NULL,
    user_data BLOB NOT NULL,
    plan TEXT NOT NULL,
    plan_ends_at INTEGER NOT NULL,   -- begin of the last phase
    deleted_at INTEGER               -- begin of the phase "deleted", if planned
);
CREATE INDEX servers_by_age ON servers (created_at, id);
CREATE INDEX servers_by_change ON servers (plan_ends_at);
CREATE TABLE server_tags (
    tag TEXT NOT NULL, server_id TEXT NOT NULL, PRIMARY KEY (tag, server_id)
) WITHOUT ROWID;
CREATE TABLE actions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    server_id TEXT NOT NULL,
    action TEXT NOT NULL,
    request_id TEXT NOT NULL,
    caller_request_id TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    error TEXT
);
CREATE INDEX actions_by_server ON actions (server_id);
CREATE TABLE flavors (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, vcpus INTEGER NOT NULL,
    ram_mb INTEGER NOT NULL, disk_gb INTEGER NOT NULL,
    offered INTEGER NOT NULL DEFAULT 1
);
CREATE TABLE images (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    visibility TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    min_disk_gb INTEGER NOT NULL,
    min_ram_mb INTEGER NOT NULL,
    server_id TEXT,
    tag TEXT,
    saving_at INTEGER,               -- NULL: never
    active_at INTEGER,
    gone_at INTEGER
);
CREATE INDEX images_by_tag ON images (tag);
CREATE TABLE faults (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    op TEXT NOT NULL, kind TEXT NOT NULL, match TEXT, times INTEGER NOT NULL,
    delay REAL NOT NULL, message TEXT, status INTEGER
);
CREATE TABLE calls (op TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
"""


def _statement(sql: str) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute(sql)


#: What files of an older version lack, by the version that brought it.
_CHANGES: dict[int, Callable[[sqlite3.Connection], object]] = {
    3: _statement("ALTER TABLE faults ADD COLUMN retry_after REAL"),
    4: _statement("ALTER TABLE servers ADD COLUMN key_name TEXT"),
    5: _statement("ALTER TABLE servers ADD COLUMN public_key TEXT"),
    6: _statement("ALTER TABLE faults ADD COLUMN code TEXT NOT NULL DEFAULT ''"),
    7: topology.create,
    8: ports.adopt,
}
_VERSION = max(_CHANGES)


class _Handle:
    """A connection that is closed when its thread, or its store, ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()

    def __del__(self) -> None:
        if self.pid == os.getpid():
            self.connection.close()
        else:
            _inherited.append(self.connection)


#: Connections that a fork copied. SQLite forbids even to close them in the child.
_inherited: list[sqlite3.Connection] = []


class _Local(threading.local):
    handle: _Handle | None = None


#: The transactions of a process, one after the other. SQLite lets waiting writers sleep
#: and poll: with 32 threads one of them can wait for seconds. A fork waits too, for a
#: child that is born during a transaction keeps believing that the file is locked.
_line = threading.RLock()
os.register_at_fork(
    before=_line.acquire,
    after_in_parent=_line.release,
    after_in_child=_line.release,
)


@contextmanager
def _in_line(patience: float) -> Iterator[None]:
    if not _line.acquire(timeout=patience):
        raise Unreachable("The mock cloud is busy", status=503)
    try:
        yield
    finally:
        _line.release()


class Store:
    """One file, opened by each thread on its first use."""

    def __init__(self, path: Path, *, patience: float = PATIENCE) -> None:
        self._path = path
        self._patience = patience
        self._tables: list[str] = []
        self._local = _Local()

    def keep(self, table: str) -> None:
        """Have a service's own table: ``CREATE TABLE IF NOT EXISTS …``.

        To be said before the file is opened.
        """
        self._tables.append(table)

    def connection(self) -> sqlite3.Connection:
        """Return this thread's connection, in autocommit mode."""
        handle = self._local.handle
        if handle is None or handle.pid != os.getpid():
            connection = _open(self._path, self._patience, self._tables)
            handle = self._local.handle = _Handle(connection)
        return handle.connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the file's write lock for the block; an exception undoes it."""
        connection = self.connection()
        with _in_line(self._patience):
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as exc:
                raise Unreachable(f"The mock cloud is busy: {exc}", status=503) from exc
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    def close(self) -> None:
        """Close this thread's connection; the next use opens another."""
        self._local.handle = None


def _open(path: Path, patience: float, tables: Iterable[str]) -> sqlite3.Connection:
    path.parent.mkdir(parents=True, exist_ok=True)
    # For its owner alone: it holds user data. SQLite would go by the umask.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(
        path,
        timeout=patience,
        isolation_level=None,
        check_same_thread=False,  # closed by whichever thread drops the handle
    )
    connection.row_factory = sqlite3.Row
    try:
        _enter_wal(connection, patience)
        connection.execute("PRAGMA synchronous = NORMAL")
        if _version(connection) < _VERSION:
            _create(connection)
        for table in tables:
            connection.execute(table)
    except BaseException:
        connection.close()
        raise
    return connection


def _enter_wal(connection: sqlite3.Connection, patience: float) -> None:
    # SQLite does not wait for a lock here when several processes open a new file.
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _create(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    version = _version(connection)  # now that nobody else can be at it
    if version == 0:
        for statement in _SCHEMA.split(";\n"):
            connection.execute(statement)
        for flavor in FLAVORS:
            connection.execute(
                "INSERT INTO flavors (id, name, vcpus, ram_mb, disk_gb)"
                " VALUES (?, ?, ?, ?, ?)",
                (flavor.id, flavor.name, flavor.vcpus, flavor.ram_mb, flavor.disk_gb),
            )
        for image in IMAGES:
            connection.execute(
                "INSERT INTO images (id, name, visibility, size_bytes, min_disk_gb,"
                " min_ram_mb, saving_at, active_at) VALUES (?, ?, ?, ?, ?, ?, 0, 0)",
                (
                    image.id,
                    image.name,
                    image.visibility,
                    image.size_bytes,
                    image.min_disk_gb,
                    image.min_ram_mb,
                ),
            )
    for number, change in _CHANGES.items():
        if version < number:
            change(connection)
    connection.execute(f"PRAGMA user_version = {_VERSION}")
    connection.execute("COMMIT")
