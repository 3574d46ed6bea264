"""What `migrate` does where the indexes of searches cannot be made."""

from importlib import import_module
from typing import Any

import pytest
from django.db import OperationalError, connection, connections

searches: Any = import_module("compute.migrations.0004_search_at_scale")

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif("connection.vendor != 'postgresql'", reason="needs PostgreSQL"),
]


def migrate() -> None:
    """Make the indexes again, without patience for locks."""
    with connection.schema_editor() as editor:
        editor.execute("SET LOCAL lock_timeout = '50ms'", params=None)
        searches.remove(None, editor)
        searches.create(None, editor)


def test_it_may_be_repeated() -> None:
    migrate()


def test_a_lock_that_is_not_to_be_had_stops_it() -> None:
    with connection.schema_editor() as editor:
        searches.remove(None, editor)
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN; LOCK TABLE compute_vm IN ROW EXCLUSIVE MODE")
        with pytest.raises(OperationalError):
            migrate()
    finally:
        other.close()
    migrate()
