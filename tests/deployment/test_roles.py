"""The service's role in PostgreSQL: it writes, and cannot empty the log."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support import readme
from tests.support.deployed import ROOT, command_of, environment, run
from tests.support.roles import Database, new_roles

pytestmark = [
    pytest.mark.once,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.xdist_group("roles"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database migrated by its owner, in which something has happened."""
    with new_roles() as database:
        env = environment(
            tmp_path_factory.mktemp("env"),
            database_url=database.owner_url,
            redis_url="redis://127.0.0.1:1/0",
            clouds="default=mock://",
        )
        migrated = run(command_of("migrate"), env)
        assert migrated.returncode == 0, migrated.stderr
        made = run(
            ["python", "manage.py", "createproject", "web"],
            {**env, "DATABASE_URL": database.url},
        )
        assert made.returncode == 0, made.stderr
        yield database


def events(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM compute_event").fetchone()
    assert row
    return int(row[0])


@pytest.mark.parametrize(
    "statement",
    [
        "TRUNCATE compute_event",
        "TRUNCATE compute_event CASCADE",
        "DELETE FROM compute_event",
        "UPDATE compute_event SET type = 'x'",
        "ALTER TABLE compute_event DISABLE TRIGGER ALL",
        "ALTER TABLE compute_event DISABLE TRIGGER USER",
        "DROP TRIGGER compute_event_append_only ON compute_event",
        "DROP TABLE compute_event CASCADE",
        "CREATE RULE no_log AS ON INSERT TO compute_event DO INSTEAD NOTHING",
        "SET session_replication_role = replica",
        "SET ROLE vmmanager_owner",
        "CREATE TABLE public.mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE ROLE other SUPERUSER",
        "COPY (SELECT 1) TO PROGRAM 'true'",
    ],
)
def test_the_service_cannot_get_around_the_log(
    database: Database, statement: str
) -> None:
    name = urlsplit(database.url).path.strip("/")
    before = events(database.url)
    assert before
    with (
        psycopg.connect(database.url, autocommit=True) as connection,
        pytest.raises(psycopg.Error, match=r"permission denied|must be|append"),
    ):
        connection.execute(statement.replace("vmmanager", name).encode())
    assert events(database.url) == before


def test_a_backup_is_restored_as_the_readme_says(
    database: Database, tmp_path: Path
) -> None:
    if not shutil.which("pg_dump"):
        pytest.skip("pg_dump is not installed here")
    name = urlsplit(database.url).path.strip("/")
    server = urlsplit(database.superuser_url)
    env = os.environ | {
        "PGHOST": server.hostname or "",
        "PGPORT": str(server.port or 5432),
        "PGPASSWORD": server.password or "",
    }

    def as_readme_says(block: str) -> None:
        lines = [line for line in block.splitlines() if "exec -T postgres" in line]
        script = "\n".join(lines)
        for theirs, ours in (
            ("docker compose exec -T postgres ", ""),
            ("--username postgres", f"--username {server.username}"),
            (" vmmanager >", f" {name} >"),
        ):
            script = script.replace(theirs, ours)
        done = subprocess.run(  # noqa: S603  # the README's own lines
            ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    before = events(database.url)
    as_readme_says(readme.BACKUP)
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE compute_event DISABLE TRIGGER USER")
        connection.execute("DELETE FROM compute_event")
        connection.execute("CREATE TABLE made_since (id int)")
    as_readme_says(readme.RESTORE)
    assert events(database.url) == before
    # Rights and the trigger are back as well, for tables to come too.
    with psycopg.connect(database.owner_url, autocommit=True) as owner:
        owner.execute("CREATE TABLE to_come (id int)")
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("INSERT INTO to_come VALUES (1)")
        with pytest.raises(psycopg.errors.IntegrityError, match="append"):
            connection.execute("DELETE FROM compute_event")
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute("SELECT * FROM made_since")


def test_the_readme_names_files_that_exist() -> None:
    assert (ROOT / ".env.example").exists()
    assert "cp .env.example .env" in readme.UP
