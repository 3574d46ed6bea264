"""A database with the two roles that compose.yaml makes, on the PostgreSQL that answers."""

import os
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.deployed import COMPOSE, POSTGRES_URL, answers

PSQL = ["psql", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname"]


@dataclass(frozen=True, slots=True)
class Database:
    #: As migrate has it.
    owner_url: str
    #: As the services have it.
    url: str
    #: As whoever runs the server has it.
    superuser_url: str


@contextmanager
def new_roles() -> Iterator[Database]:
    """Make a database by the script of compose.yaml; drop it and its roles afterwards."""
    if not shutil.which("psql") or not answers(POSTGRES_URL):
        pytest.skip("no psql, or no PostgreSQL answers at POSTGRES_URL")
    name = f"vmmanager_{uuid.uuid4().hex[:12]}"
    script = COMPOSE["configs"]["roles"]["content"].replace("vmmanager", name)
    # Stands in for postgres, whose password the script takes away.
    superuser, password = f"{name}_superuser", secrets.token_hex()
    server = urlsplit(POSTGRES_URL)

    def url(role: str, database: str) -> str:
        at = f"{server.hostname}:{server.port or 5432}"
        return f"postgres://{role}:{password}@{at}/{database}"

    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}").format(
                sql.Identifier(superuser), sql.Literal(password)
            )
        )
        try:
            done = subprocess.run(  # noqa: S603  # compose.yaml's own script
                [*PSQL, url(superuser, "postgres")],
                input=script,
                env=os.environ
                | {"OWNER_PASSWORD": password, "SERVICE_PASSWORD": password},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            yield Database(
                owner_url=url(f"{name}_owner", name),
                url=url(name, name),
                superuser_url=urlsplit(POSTGRES_URL)._replace(path=f"/{name}").geturl(),
            )
        finally:
            connection.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(name)
                )
            )
            for role in (name, f"{name}_owner", superuser):
                connection.execute(
                    sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role))
                )
