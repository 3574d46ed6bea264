"""What is asked often is planned once by PostgreSQL, and answered the same."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction

from compute import statements
from compute.access import Scope
from compute.models import VM, Project
from compute.statements import fetch
from tests.support.api import Api
from tests.support.factories import VMFactory

pytestmark = [
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL"),
]

OFTEN = 8
NAMES = "SELECT name FROM compute_vm WHERE name <> %s ORDER BY name"


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


@pytest.fixture
def vms(project: Project) -> list[VM]:
    return [VMFactory.create(name=name) for name in ("api", "web")]


@pytest.fixture
def changed_column(vms: list[VM]) -> Iterator[None]:
    """Change a type as a migration does, after the plan was made; then change it back."""
    for _ in range(OFTEN):
        fetch(NAMES, ["x"], prepare=True)
    before = _type_of_name()
    _elsewhere("ALTER TABLE compute_vm ALTER COLUMN name TYPE text")
    yield
    _elsewhere(f"ALTER TABLE compute_vm ALTER COLUMN name TYPE {before}")


def _type_of_name() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = 'compute_vm'::regclass AND attname = 'name'"
        )
        (name,) = cursor.fetchone()
        return str(name)


def _elsewhere(sql: str) -> None:
    # The connection that says ALTER forgets its plans.
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute(sql)
    other.close()


def prepared() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements")
        (count,) = cursor.fetchone()
        return int(count)


def test_a_page_is_the_same_however_often_it_is_asked_for(
    vms: list[VM], api: Api
) -> None:
    for path in ("/vms", f"/vms/{vms[0].pk}", "/vms?cursor=&ordering=name"):
        first = api.get(path).json()
        assert all(api.get(path).json() == first for _ in range(OFTEN)), path
    assert prepared() >= 3


def test_values_of_another_type_are_another_plan(vms: list[VM]) -> None:
    sql = "SELECT %s::text"
    for value in (1, 2**40, 10**20, "x", None) * OFTEN:
        expected = None if value is None else str(value)
        assert fetch(sql, [value], prepare=True) == [(expected,)]


def test_a_plan_that_a_migration_made_void_is_made_again(changed_column: None) -> None:
    for _ in range(2):
        rows = fetch(NAMES, ["x"], prepare=True)
        assert [tuple(row) for row in rows] == [("api",), ("web",)]
    assert prepared() == 0  # the void one is not asked again


def test_a_choice_of_projects_is_planned_for_those_each_time(vms: list[VM]) -> None:
    connection.close()
    one, two = (Scope((vms[0].project_id, uuid4())[:size]) for size in (1, 2))
    for scope, plans in ((two, 0), (one, 1)):
        rows = scope.with_slots().of(VM.objects.all(), field="project")
        statement = statements.compiled(rows.values_list("name"))
        for _ in range(OFTEN):
            assert len(statement.page(scope.values(), limit=5)) == len(vms)
        assert prepared() == plans


def test_a_transaction_keeps_no_plan(vms: list[VM]) -> None:
    connection.close()
    with transaction.atomic():
        for _ in range(OFTEN):
            fetch(NAMES, ["x"], prepare=True)
    assert prepared() == 0


def test_a_connection_that_shall_not_keep_plans_keeps_none(vms: list[VM]) -> None:
    connection.close()
    connection.ensure_connection()
    raw: Any = connection.connection
    raw.prepare_threshold = None  # DATABASE_PREPARE=false
    for _ in range(OFTEN):
        assert len(fetch(NAMES, ["x"], prepare=True)) == len(vms)
    assert prepared() == 0
    connection.close()
