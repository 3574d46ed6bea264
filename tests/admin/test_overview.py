"""The start page: each number leads to the list that it counts, for who may see it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.models import VM, Event, Operation, Project, Quota
from tests.support.console import Operator, href, permission, staff
from tests.support.factories import NetworkFactory, ProjectFactory, VMFactory
from tests.support.many_rows import make_many
from tests.support.operations import ended, live

FRAGMENT = "overview/"
#: How many queries the fragment takes, of a superuser: session, user, VMs, services,
#: operations by hour, under way and failed, what the failed are about, quotas, use by
#: project, events, what they are about, webhooks, failing services.
QUERIES = 14


def tiles(page: str) -> dict[str, tuple[int, str]]:
    """Return label -> number and address, in the order of the page."""
    found = re.findall(
        r'<a class="tile [\w-]+" href="([^"]+)"><strong>(\d+)</strong> ([^<]+)</a>',
        page,
    )
    return {label: (int(count), url) for url, count, label in found}


def listed(operator: Operator, url: str) -> int:
    """Return how many rows the list has that a tile leads to."""
    return operator.get(url.removeprefix("/admin/")).count('class="action-select"')


def rows_listed(operator: Operator, url: str) -> int:
    """Return the same of a list without actions."""
    page = operator.get(url.removeprefix("/admin/"))
    return page.partition('id="result_list"')[2].count("<tr>") - 1


def section(page: str, name: str) -> str:
    return page.partition(f'<section id="{name}"')[2].partition("</section>")[0]


def test_vms_are_counted_by_status_errors_first(operator: Operator) -> None:
    for status, count in (("ACTIVE", 3), ("ERROR", 2), ("BUILD", 1), ("DELETED", 4)):
        VMFactory.create_batch(count, status=status)
    for path in ("", FRAGMENT):
        found = tiles(section(operator.get(path), "overview-vms"))
        counts = {status: count for status, (count, _) in found.items()}
        assert list(counts.items()) == [("ERROR", 2), ("ACTIVE", 3), ("BUILD", 1)]
    for count, url in found.values():
        assert listed(operator, url) == count


def test_that_no_vm_is_in_error_is_said(operator: Operator) -> None:
    page = section(operator.get(""), "overview-vms")
    assert tiles(page)["ERROR"][0] == 0
    assert "tile-bad" not in page
    VMFactory.create(status="ERROR")
    assert "tile-bad" in section(operator.get(""), "overview-vms")


def test_operations_are_counted_as_they_are_listed(operator: Operator) -> None:
    now = timezone.now()
    live("PENDING")
    live("RUNNING")
    for age in (timedelta(minutes=1), timedelta(hours=23), timedelta(hours=25)):
        ended("FAILED", at=now - age)
        ended("SUCCEEDED", at=now - age)
    found = tiles(section(operator.get(""), "overview-operations"))
    assert [count for count, _ in found.values()] == [2, 2]
    for count, url in found.values():
        assert rows_listed(operator, url) == count


def test_the_list_of_operations_takes_no_other_end(operator: Operator) -> None:
    operator.get("compute/operation/?ended=30d")
    operator.get("compute/operation/?ended=31d", status=400)


def test_the_chart_says_what_ended_in_which_hour(operator: Operator) -> None:
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    hour -= timedelta(hours=2)
    for minute in (0, 59):
        ended("SUCCEEDED", at=hour + timedelta(minutes=minute))
    ended("FAILED", at=hour + timedelta(minutes=30))
    ended("CANCELLED", at=hour)
    ended("SUCCEEDED", at=hour + timedelta(hours=1))
    ended("SUCCEEDED", at=hour - timedelta(days=1))
    page = section(operator.get(""), "overview-operations")
    assert f"{hour:%Y-%m-%d %H:%M} UTC: 2 succeeded, 1 failed" in page
    assert "3 succeeded and 1 failed; at most 3 ended in one hour" in page
    assert page.count("<rect") == 25 + 3
    assert f"<td>{hour:%Y-%m-%d %H:%M} UTC</td>" in page


def test_hours_are_those_of_utc(db: None) -> None:
    time = datetime(2026, 11, 28, 23, 59, 59, 999999, tzinfo=UTC)
    ended("FAILED", at=time)
    assert Operation.objects.ended_since(time).count_by_hour() == {
        (datetime(2026, 11, 28, 23, tzinfo=UTC), "FAILED"): 1
    }


def test_without_operations_there_is_no_chart(operator: Operator) -> None:
    page = section(operator.get(""), "overview-operations")
    assert "None ended in the past 24 hours." in page
    assert "<svg" not in page


def test_the_newest_failures_say_what_why_who_and_when(operator: Operator) -> None:
    now = timezone.now()
    long_ago = ended("FAILED", at=now - timedelta(days=30), detail="It burned down.")
    for minutes in range(10):
        operation = ended("FAILED", at=now - timedelta(minutes=minutes))
    page = section(operator.get(""), "overview-failures")
    assert page.count("<tr>") == 11
    assert "It burned down." not in page
    Operation.objects.exclude(pk__in=(operation.pk, long_ago.pk)).delete()
    page = section(operator.get(""), "overview-failures")
    vm = VM.objects.get(pk=long_ago.target_id)
    assert href(vm) in page
    assert href(long_ago) in page
    assert "It burned down." in page
    assert "?q=user%3Aalice" in page
    assert f'title="{long_ago.finished_at:%Y-%m-%d %H:%M:%S} UTC"' in page


def test_a_failure_of_another_kind_leads_to_its_target(operator: Operator) -> None:
    network = NetworkFactory.create()
    ended("FAILED", target=network, type="network.create")
    assert href(network) in section(operator.get(""), "overview-failures")


def quota(project: Project, resource: str, used: int, limit: int | None) -> None:
    rows = Quota.objects.filter(project=project, resource=resource)
    assert rows.update(used=used, limit=limit)


def test_the_fullest_quotas_are_five_of_all_projects(operator: Operator) -> None:
    first, second = (ProjectFactory.create(name=name) for name in ("one", "two"))
    gone = ProjectFactory.create(name="three", deleted_at=timezone.now())
    quota(first, "vms", 95, 100)
    quota(first, "vcpus", 10, 100)
    quota(second, "vms", 3, 0)
    quota(second, "vcpus", 10_000, None)
    quota(second, "snapshots", 0, 0)
    quota(gone, "vms", 100, 100)
    page = section(operator.get(""), "overview-quotas")
    cells = re.findall(r">(\w+)</a></td>\s*<td>([^<]+)<div>", page)
    assert cells == [
        ("two", "VMs: 3 of 0"),
        ("one", "VMs: 95 of 100"),
        ("one", "vCPUs: 10 of 100"),
    ]
    assert page.count("<progress") == 3
    for resource in ("keypairs", "networks", "subnets", "routers"):
        quota(first, resource, 50, 100)
    page = section(operator.get(""), "overview-quotas")
    assert page.count("<progress") == 5
    assert "10 of 100" not in page


def test_what_the_vms_of_projects_take_is_ten_projects(operator: Operator) -> None:
    for number in range(11):
        project = ProjectFactory.create(name=f"project-{number}")
        quota(project, "vcpus", 2 * (number + 1), None)
        quota(project, "ram_mb", 1536 * (number + 1), None)
        quota(project, "disk_gb", 1000 * (number + 1), None)
    page = section(operator.get(""), "overview-uses")
    names = re.findall(r">(project-\d+)</a>", page)
    assert names == [f"project-{number}" for number in range(10, 0, -1)]
    cells = re.findall(r'<td class="number">([^<]*)</td>', page)
    assert cells[:3] == ["22", "16.5", "11,000"]


PARTS = {
    "view_vm": {"overview-vms"},
    "view_operation": {"overview-operations", "overview-failures"},
    "view_cloud": {"overview-clouds"},
    "view_quota": {"overview-quotas", "overview-uses"},
    "view_event": {"latest-events"},
    "view_webhook": {"overview-webhooks"},
}


@pytest.mark.parametrize("codename", PARTS)
def test_each_part_is_for_who_may_see_what_it_shows(db: None, codename: str) -> None:
    visitor = staff("ivan", permission(codename))
    every = set().union(*PARTS.values())
    for path in ("", FRAGMENT):
        page = visitor.get(path)
        shown = {part for part in every if f'id="{part}"' in page}
        assert shown == PARTS[codename], path


def test_without_a_permission_it_says_so(db: None) -> None:
    told = "This account has no permission to view VMs, operations, clouds"
    assert told in staff("ivan", permission("view_keypair")).get("")
    assert told not in staff("bea", permission("view_vm")).get("")


def test_lists_stay_in_reach_and_recent_actions_go(operator: Operator) -> None:
    page = operator.get("")
    sidebar = page.partition('id="nav-sidebar"')[2].partition("</nav>")[0]
    below = page.partition('class="lists"')[2].partition("</nav>")[0]
    for navigation in (sidebar, below):
        assert 'href="/admin/compute/keypair/"' in navigation
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert sorted(ids) == sorted(set(ids))
    assert "<title>Overview | VM Manager</title>" in page
    assert "Recent actions" not in page


def test_it_takes_as_many_queries_at_any_number(
    operator: Operator, django_assert_num_queries: Any
) -> None:
    operator.get(FRAGMENT)
    for count in (1, 20):
        for number in range(count):
            project = ProjectFactory.create()
            quota(project, "vcpus", number + 1, 100)
            operation = ended("FAILED", project=project)
            live("PENDING", project=project)
            Event.objects.create(
                project=project,
                sequence=1,
                type="vm.lost",
                actor="system",
                subject_kind="vm",
                subject_id=operation.target_id,
            )
        with django_assert_num_queries(QUERIES):
            operator.get(FRAGMENT)


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
def test_no_part_reads_all_operations_or_events(operator: Operator) -> None:
    make_many()
    with CaptureQueriesContext(connection) as queries:
        operator.get(FRAGMENT)
    plans = []
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            if query["sql"].startswith("SELECT"):
                cursor.execute(f"EXPLAIN {query['sql']}")
                plans.append("\n".join(line for (line,) in cursor.fetchall()))
    assert len(plans) >= QUERIES
    assert any("operation_by_end" in plan for plan in plans)
    for table in ("compute_operation", "compute_event"):
        assert [plan for plan in plans if f"Seq Scan on {table}" in plan] == []
