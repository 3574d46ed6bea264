"""Connections to PostgreSQL that are taken from a pool."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.db import DEFAULT_DB_ALIAS, OperationalError, connection, connections

from compute.statements import fetch
from vmmanager.postgresql.base import DatabaseWrapper

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="needs PostgreSQL"
)

#: Seconds for which somebody else has the only connection.
BUSY = 4.0


@pytest.fixture
def single(db: None) -> Iterator[DatabaseWrapper]:
    """Return a database whose pool has one connection."""
    options = connection.settings_dict["OPTIONS"]
    pool = {"min_size": 1, "max_size": 1, "timeout": 0.25}
    wrapper = DatabaseWrapper(
        {
            **connection.settings_dict,
            "OPTIONS": {**options, "pool": pool},
            "CONN_HEALTH_CHECKS": False,  # as in production, with a pool
        },
        "single",
    )
    yield wrapper
    wrapper.close_pool()


@pytest.fixture
def used(single: DatabaseWrapper) -> Iterator[DatabaseWrapper]:
    """Have that database in place of the usual one."""
    usual = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = single
    yield single
    connections[DEFAULT_DB_ALIAS] = usual


def test_who_waits_for_a_busy_pool_is_served(single: DatabaseWrapper) -> None:
    """A cold process takes seconds for its first crowd; nobody of it is refused."""
    taken = threading.Event()

    def hold() -> None:
        holder = single.copy("single")
        holder.ensure_connection()
        taken.set()
        time.sleep(BUSY)
        holder.close()

    thread = threading.Thread(target=hold)
    thread.start()
    taken.wait()
    began = time.monotonic()
    single.ensure_connection()
    assert time.monotonic() - began > BUSY / 2
    single.close()
    thread.join()


def test_who_can_ask_again_is_lent_a_connection_without_a_look(
    single: DatabaseWrapper,
) -> None:
    single.ensure_connection()
    with single.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()
    single.close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    single.connect_unchecked()
    single.close()
    single.ensure_connection()
    with single.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid() <> %s", [pid])
        assert cursor.fetchone() == (True,)
    single.close()


def test_a_read_that_finds_its_connection_ended_is_asked_again(
    used: DatabaseWrapper,
) -> None:
    pid = "SELECT pg_backend_pid()"
    ((first,),) = fetch(pid, [])
    used.close()
    with psycopg.connect(**used.get_connection_params() | {"pool": None}) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [first])
    ((second,),) = fetch(pid, [])
    assert second != first
    used.close()


def test_a_read_that_fails_on_a_connection_that_works_is_not_asked_again(
    used: DatabaseWrapper,
) -> None:
    fetching = (
        "SELECT nextval('asked'), pg_cancel_backend(pg_backend_pid()), pg_sleep(5)"
    )
    with used.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE asked")
    used.close()
    with pytest.raises(OperationalError, match="cancel"):
        fetch(fetching, [])
    with used.cursor() as cursor:
        cursor.execute("SELECT last_value FROM asked")
        asked = cursor.fetchone()
        cursor.execute("DROP SEQUENCE asked")
    assert asked == (1,)
    used.close()
