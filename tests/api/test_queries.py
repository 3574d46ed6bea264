"""What a request costs the database."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import (
    VM,
    Cloud,
    Operation,
    Project,
    SecurityGroupRule,
    Snapshot,
)
from tests.support.api import Api, as_user
from tests.support.factories import (
    FlavorFactory,
    FloatingIPFactory,
    ImageFactory,
    MembershipFactory,
    NetworkFactory,
    ProjectFactory,
    RouterFactory,
    SecurityGroupFactory,
    SecurityGroupRuleFactory,
    SnapshotFactory,
    SubnetFactory,
    VMFactory,
)
from tests.support.populated_projects import api_token

Queries = Callable[..., CaptureQueriesContext]


def fill(count: int) -> None:
    """Make rows of every kind, each VM with a server and an operation of its own."""
    Cloud.objects.get_or_create(alias="default")
    project = Project.objects.default()
    vms = VMFactory.create_batch(count)
    for number, vm in enumerate(vms):
        vm.operation = Operation.objects.create(
            type="vm.stop",
            project=project,
            target_kind="vm",
            target_id=vm.pk,
            deadline=vm.created_at,
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
        # The login, the total, the rows.
        ("/vms?per_page=100", 3),
        ("/vms?per_page=100&cursor=", 2),
        ("/vms?per_page=100&label_selector=!a&search=v&status=ACTIVE", 3),
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


def fill_networks(count: int) -> None:
    """Make rows of all that Neutron has, each with an operation of its own."""
    network = NetworkFactory.create()
    group = SecurityGroupFactory.create()
    routers = RouterFactory.create_batch(count, external_network=network)
    made = [
        network,
        group,
        *NetworkFactory.create_batch(count - 1),
        *routers,
        *SubnetFactory.create_batch(count, network=network, router=routers[0]),
        *FloatingIPFactory.create_batch(count, network=network),
        *SecurityGroupFactory.create_batch(count - 1),
        *SecurityGroupRuleFactory.create_batch(count, group=group),
    ]
    for row in made:
        operation = Operation.objects.create(
            type="network.create",
            project=row.project,
            target_kind=row.kind,
            target_id=row.pk,
            deadline=row.created_at,
        )
        type(row)._default_manager.filter(pk=row.pk).update(operation=operation)


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize(
    "noun",
    [
        "networks",
        "subnets",
        "routers",
        "floating-ips",
        "security-groups",
        "security-group-rules",
    ],
)
def test_a_list_of_networks_costs_the_same_for_any_number_of_rows(
    api: Api, noun: str, rows: int, django_assert_num_queries: Queries
) -> None:
    fill_networks(rows)
    # The login, the total, the rows.
    for query, number in (("", 3), ("&cursor=", 2)):
        with django_assert_num_queries(number):
            answer = api.get(f"/{noun}?per_page=100{query}")
        assert len(answer.json()["results"]) == rows


def test_the_rules_of_a_group_cost_one_query_more(
    api: Api, django_assert_num_queries: Queries
) -> None:
    fill_networks(40)
    group = SecurityGroupRule.objects.all()[0].group_id
    with django_assert_num_queries(4):
        answer = api.get(f"/security-groups/{group}/rules?per_page=100")
    assert answer.json()["count"] == 40


def test_one_vm_costs_an_operator_two_queries(
    api: Api, django_assert_num_queries: Queries
) -> None:
    vm = VMFactory.create(server_id="x")
    # The login with its user; the VM with its operation and its cloud's last pass.
    with django_assert_num_queries(2):
        api.get(f"/vms/{vm.pk}")


def test_one_resource_is_read_with_the_member_who_asks(
    project: Project, django_assert_num_queries: Queries
) -> None:
    home, other = project, ProjectFactory.create()
    member = MembershipFactory.create(project=home, role="reader").user
    MembershipFactory.create(project=other, user=member)
    mine = [VMFactory.create(project=home), VMFactory.create(project=other)]
    foreign = VMFactory.create(project=ProjectFactory.create())
    snapshot = SnapshotFactory.create(vm=mine[0])
    login, token = as_user(member), Api(api_token(member, home, "reader"))
    for api, seen in ((login, mine), (token, mine[:1])):
        api.get("/auth/me")  # notes that the token is used
        for path in [*(f"/vms/{vm.pk}" for vm in seen), f"/snapshots/{snapshot.pk}"]:
            with django_assert_num_queries(1):
                one = api.get(path)
            assert one.json()["id"] == path.rpartition("/")[2]
            with django_assert_num_queries(1):
                same = api.get(path, If_None_Match=one.headers["ETag"])
            assert (same.status_code, same.content) == (304, b"")
        for vm in {*mine, foreign} - {*seen}:
            assert api.get(f"/vms/{vm.pk}").status_code == 404
    # What was taken away, or deleted, is not found with the next request.
    member.memberships.get(project=home).delete()
    assert login.get(f"/vms/{mine[0].pk}").status_code == 404
    assert token.get(f"/vms/{mine[0].pk}").status_code == 401
    VM.objects.filter(pk=mine[1].pk).update(status="DELETED", deleted_at=timezone.now())
    assert login.get(f"/vms/{mine[1].pk}").status_code == 404


def test_an_accepted_action_costs_eight_queries(
    api: Api, make_vm: Callable[..., VM], django_assert_num_queries: Queries
) -> None:
    vm = make_vm()
    # The login, the VM's project with the time of its cloud; the VM locked; operation,
    # occupation, VM, the number of the event and the event. No savepoint: of the test's
    # transaction it has one, and its release.
    with django_assert_num_queries(8 + 2):
        assert api.post(f"/vms/{vm.pk}/actions/stop").status_code == 202


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
    walk(api, path, index, Project.objects.default())


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("/vms?cursor=", "vm_alive"),
        ("/vms?cursor=&ordering=-updated_at", "vm_by_project_update"),
        ("/vms?cursor=&ordering=name", "vm_by_project_name"),
        ("/snapshots?cursor=", "snapshot_alive"),
        ("/snapshots?cursor=&ordering=updated_at", "snapshot_by_project_update"),
        ("/snapshots?cursor=&ordering=name", "snapshot_by_project_name"),
        ("/operations?cursor=", "operation_by_project_creation"),
    ],
)
@pytest.mark.usefixtures("project")
def test_a_member_walks_along_an_index_of_the_project(path: str, index: str) -> None:
    # Few of many: an index over all projects would have to skip the others' rows.
    fill_one(path, ProjectFactory.create())
    member = MembershipFactory.create(project=ProjectFactory.create())
    # So few that PostgreSQL may as well read and sort them: it shall not here.
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("SET LOCAL enable_incremental_sort = off")
    walk(as_user(member.user), path, index, member.project, rows=40)


def test_a_member_costs_no_more_queries_than_an_operator(
    project: Project, django_assert_num_queries: Queries
) -> None:
    fill(3)
    member = as_user(MembershipFactory.create().user)
    with django_assert_num_queries(3):
        assert member.get("/vms").json()["count"] == 3


def fill_one(path: str, project: Project, rows: int = 2000) -> None:
    """Make rows of what a path lists."""
    if "operations" in path:
        vm = VMFactory.create(project=project)
        Operation.objects.bulk_create(
            Operation(
                type="vm.stop",
                status="SUCCEEDED",
                finished_at=vm.created_at,
                deadline=vm.created_at,
                project=project,
                target_kind="vm",
                target_id=vm.pk,
            )
            for _ in range(rows)
        )
    elif "snapshots" in path:
        vm = VMFactory.create(project=project)
        Snapshot.objects.bulk_create(
            SnapshotFactory.build_batch(rows, vm=vm, project=project)
        )
    else:
        VM.objects.bulk_create(VMFactory.build_batch(rows, project=project))


def walk(
    api: Api, path: str, index: str, project: Project, *, rows: int = 2000
) -> None:
    """Assert that the second page of a walk is read along an index."""
    fill_one(path, project, rows)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    second = api.get(f"{path}&per_page=5").json()["next"]
    with CaptureQueriesContext(connection) as queries:
        api.get(second.removeprefix("http://testserver/api/v1"))
    asked = next(q["sql"] for q in queries if " LIMIT 6" in q["sql"])
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert index in plan, plan
    assert "Index Cond" in plan, plan
