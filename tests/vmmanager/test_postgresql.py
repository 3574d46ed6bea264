"""Connections to PostgreSQL that are taken from a pool."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.db import connection

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
        {**connection.settings_dict, "OPTIONS": {**options, "pool": pool}}, "single"
    )
    yield wrapper
    wrapper.close_pool()


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
