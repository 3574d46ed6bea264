"""What a request costs the database."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import VM, Cloud, Operation, Project, Snapshot
from tests.api.client import Api
from tests.factories import FlavorFactory, ImageFactory, SnapshotFactory, VMFactory

Queries = Callable[..., CaptureQueriesContext]


def fill(count: int) -> None:
    """Make rows of every kind, each VM with a server and an operation of its own."""
    Cloud.objects.get_or_create(alias="default")
    project = Project.objects.default()
    vms = VMFactory.create_batch(count)
    for number, vm in enumerate(vms):
        vm.operation = Operation.objects.create(
            type="vm.stop", project=project, vm=vm, deadline=vm.created_at
        )
        VM.objects.filter(pk=vm.pk).update(
            operation=vm.operation, server_id=f"server-{number}"
        )
    SnapshotFactory.create_batch(count, vm=vms[0])
    FlavorFactory.create_batch(count)
    ImageFactory.create_batch(count)


@pytest.mark.parametrize("rows", [1, 20, 100])
@pytest.mark.parametrize(
    ("path", "queries"),
    [
        # The event cursor, the total, the rows; and once the clouds' last passes.
        ("/vms?per_page=100", 4),
        ("/vms?per_page=100&cursor=", 3),
        ("/vms?per_page=100&label_selector=!a&search=v&status=ACTIVE", 4),
        ("/snapshots?per_page=100", 3),
        ("/snapshots?per_page=100&cursor=", 2),
        ("/operations?per_page=100", 3),
        ("/flavors?per_page=100", 3),
        ("/images?per_page=100", 3),
    ],
)
def test_a_list_costs_the_same_for_any_number_of_rows(
    api: Api,
    path: str,
    queries: int,
    rows: int,
    django_assert_num_queries: Queries,
) -> None:
    fill(rows)
    with django_assert_num_queries(queries):
        response = api.get(path)
    assert len(response.json()["results"]) == rows


def test_one_vm_costs_two_queries(api: Api, django_assert_num_queries: Queries) -> None:
    vm = VMFactory.create(server_id="x")
    with django_assert_num_queries(2):
        api.get(f"/vms/{vm.pk}")


def test_health_touches_no_database(
    api: Api, django_assert_num_queries: Queries
) -> None:
    with django_assert_num_queries(0):
        assert api.get("/health").json() == {"status": "ok"}


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/vms?cursor=", "vm_by_creation"),
        ("/vms?cursor=&ordering=created_at", "vm_by_creation"),
        ("/vms?cursor=&ordering=-updated_at", "vm_by_update"),
        ("/vms?cursor=&ordering=name", "vm_by_name"),
        ("/vms?cursor=&ordering=name,-created_at", "vm_by_name"),
        ("/snapshots?cursor=", "snapshot_by_creation"),
        ("/operations?cursor=", "operation_by_creation"),
    ],
)
def test_a_cursor_walks_along_an_index(api: Api, path: str, index: str) -> None:
    project = Project.objects.default()
    if "operations" in path:
        vm = VMFactory.create()
        Operation.objects.bulk_create(
            Operation(
                type="vm.stop",
                status="SUCCEEDED",
                finished_at=vm.created_at,
                deadline=vm.created_at,
                project=project,
                vm=vm,
            )
            for _ in range(2000)
        )
    elif "snapshots" in path:
        vm = VMFactory.create()
        Snapshot.objects.bulk_create(
            SnapshotFactory.build_batch(2000, vm=vm, project=project)
        )
    else:
        VM.objects.bulk_create(VMFactory.build_batch(2000, project=project))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    second = api.get(f"{path}&per_page=5").json()["next"]
    with CaptureQueriesContext(connection) as queries:
        api.get(second.removeprefix("http://testserver/api/v1"))
    rows = next(q["sql"] for q in queries if " LIMIT 6" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {rows}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan, plan
    assert "Index Cond" in plan, plan
