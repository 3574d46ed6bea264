import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signing import Signer
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compute.models import VM, Flavor, Project
from tests.support.api import Api, errors, problem
from tests.support.factories import FlavorFactory, SnapshotFactory, VMFactory

Row = dict[str, Any]


def follow(api: Api, url: str | None, between: Callable[[], object] = int) -> list[Row]:
    """Return all rows from a page on; ``between`` runs before each further page."""
    rows: list[Row] = []
    while url is not None:
        response = api.get(url.removeprefix("http://testserver/api/v1"))
        assert response.status_code == 200, response.content
        rows += response.json()["results"]
        url = response.json()["next"]
        between()
    return rows


def names(rows: list[Row]) -> list[str]:
    return [row["name"] for row in rows]


def make(count: int) -> list[str]:
    return [vm.name for vm in VMFactory.create_batch(count)]


def test_a_numbered_page_has_a_total_and_links(api: Api) -> None:
    made = make(5)
    response = api.get("/vms?per_page=2&page=2&ordering=created_at")
    page = response.json()
    assert names(page["results"]) == made[2:4]
    assert page["count"] == 5
    base = "http://testserver/api/v1/vms?per_page=2"
    assert page["next"] == f"{base}&page=3&ordering=created_at"
    assert page["previous"] == f"{base}&page=1&ordering=created_at"
    assert response.headers["Link"] == (
        f'<{page["next"]}>; rel="next", <{page["previous"]}>; rel="prev"'
    )


def test_the_newest_come_first_and_twenty_at_a_time(api: Api) -> None:
    made = make(25)
    page = api.get("/vms").json()
    assert names(page["results"]) == made[::-1][:20]
    assert page["previous"] is None
    last = api.get("/vms?page=2").json()
    assert names(last["results"]) == made[::-1][20:]
    assert last["next"] is None


def test_a_page_past_the_end_is_empty_and_leads_back(api: Api) -> None:
    make(3)
    page = api.get("/vms?page=9&per_page=2").json()
    assert (page["results"], page["next"], page["count"]) == ([], None, 3)
    assert "page=2" in page["previous"]
    assert api.get("/snapshots?page=2").json()["results"] == []


@pytest.mark.slow
def test_no_more_than_a_hundred_thousand_rows_are_counted(api: Api) -> None:
    Flavor.objects.bulk_create(FlavorFactory.build_batch(100_000), batch_size=1000)
    page = api.get("/flavors?page=100&per_page=100").json()
    assert (page["count"], len(page["results"])) == (100_000, 100)
    FlavorFactory.create()
    with CaptureQueriesContext(connection) as queries:
        page = api.get("/flavors?page=100&per_page=100").json()
    assert (page["count"], len(page["results"])) == (None, 100)
    assert "page=101" in page["next"]
    assert "page=99" in page["previous"]
    # The database stops there, however many there are.
    (counting,) = [q["sql"] for q in queries if "COUNT(" in q["sql"]]
    assert "LIMIT 100001" in counting


def test_an_empty_list_has_no_links(api: Api) -> None:
    for mode in ("page=1", "cursor="):
        response = api.get(f"/vms?{mode}")
        page = response.json()
        assert (page["results"], page["next"], page["previous"]) == ([], None, None)
        assert "Link" not in response.headers


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("page=0", ("page", "invalid")),
        ("page=-1", ("page", "invalid")),
        ("page=x", ("page", "invalid")),
        ("page=", ("page", "invalid")),
        ("page=%D9%A3", ("page", "invalid")),
        ("page=99999999999999999999", ("page", "invalid")),
        ("per_page=0", ("per_page", "invalid")),
        ("per_page=101", ("per_page", "invalid")),
        ("page=101&per_page=100", ("page", "too_deep")),
        ("page=1&cursor=", ("cursor", "conflict")),
        ("ordering=", ("ordering", "invalid_choice")),
        ("ordering=status", ("ordering", "invalid_choice")),
        ("ordering=name,,id", ("ordering", "invalid_choice")),
        ("ordering=--name", ("ordering", "invalid_choice")),
        ("ordering=name,-name", ("ordering", "repeated")),
        ("per_page=1&per_page=2", ("per_page", "repeated")),
        ("offset=1", ("offset", "unknown")),
    ],
)
def test_wrong_paging_is_refused(api: Api, query: str, where: tuple[str, str]) -> None:
    assert errors(api.get(f"/vms?{query}")) == [where]


def test_the_deepest_page_is_allowed(api: Api) -> None:
    assert api.get("/vms?page=100&per_page=100").status_code == 200


@pytest.mark.parametrize(
    "ordering",
    [
        "created_at",
        "-created_at",
        "name",
        "-name",
        "-updated_at,name",
        "name,-created_at",
        "-name,created_at",
    ],
)
def test_both_ways_of_paging_give_the_same_order(api: Api, ordering: str) -> None:
    for name in ("b", "a", "c", "a", "b", "a", "A", "ä"):
        VMFactory.create(name=name)
    query = f"ordering={ordering}&per_page=3"
    by_number = [row["id"] for row in follow(api, f"/vms?{query}&page=1")]
    by_cursor = [row["id"] for row in follow(api, f"/vms?{query}&cursor=")]
    assert by_number == by_cursor
    assert len(set(by_cursor)) == 8


def test_a_cursor_walks_back_over_the_same_pages(api: Api) -> None:
    make(7)
    pages, url = [], "/vms?cursor=&per_page=3"
    while url:
        page = api.get(url.removeprefix("http://testserver/api/v1")).json()
        pages.append(page)
        url = page["next"]
    assert [len(page["results"]) for page in pages] == [3, 3, 1]
    assert pages[0]["previous"] is None
    assert {page["count"] for page in pages} == {None}
    back = pages[-1]
    for forth in reversed(pages[:-1]):
        assert back["previous"] is not None
        back = api.get(back["previous"].removeprefix("http://testserver/api/v1")).json()
        assert back["results"] == forth["results"]
    assert back["previous"] is None
    again = api.get(back["next"].removeprefix("http://testserver/api/v1")).json()
    assert again["results"] == pages[1]["results"]


def test_a_cursor_whose_rows_are_gone_leads_back(api: Api) -> None:
    made = make(4)
    second = api.get("/vms?cursor=&per_page=2&ordering=created_at").json()["next"]
    VM.objects.filter(name__in=made[2:]).delete()
    page = api.get(second.removeprefix("http://testserver/api/v1")).json()
    assert (page["results"], page["next"]) == ([], None)
    back = api.get(page["previous"].removeprefix("http://testserver/api/v1")).json()
    assert names(back["results"]) == made[:2]
    VM.objects.all().delete()
    nothing = api.get(page["previous"].removeprefix("http://testserver/api/v1")).json()
    assert nothing["results"] == []
    VMFactory.create(name="late")
    late = api.get(nothing["next"].removeprefix("http://testserver/api/v1")).json()
    assert names(late["results"]) == ["late"]


def test_a_cursor_belongs_to_its_list_its_filters_and_its_order(api: Api) -> None:
    make(3)
    vm = VMFactory.create()
    SnapshotFactory.create_batch(2, vm=vm)
    url = api.get("/vms?cursor=&per_page=1&status=ACTIVE").json()["next"]
    cursor = re.search(r"cursor=([^&]+)", url)
    assert cursor is not None
    own = f"cursor={cursor[1]}"
    assert api.get(f"/vms?{own}&status=ACTIVE&per_page=2").status_code == 200
    for other in (
        f"/vms?{own}",
        f"/vms?{own}&status=SHUTOFF",
        f"/vms?{own}&status=ACTIVE&ordering=name",
        f"/vms?{own}&status=ACTIVE&include_deleted=true",
        f"/snapshots?{own}",
        f"/vms/{vm.pk}/snapshots?{own}",
    ):
        problem(api.get(other), 400, "cursor-invalid")


@pytest.mark.parametrize("ordering", ["name", "-name,created_at"])
def test_a_walk_turns_round_where_its_rows_were(api: Api, ordering: str) -> None:
    """The row a client stood at is part of the way back, in any order."""
    made = [VMFactory.create(name=name) for name in "abcd"]
    made = made if ordering == "name" else made[::-1]
    query = f"/vms?cursor=&per_page=2&ordering={ordering}"
    second = api.get(query).json()["next"].removeprefix("http://testserver/api/v1")
    VM.objects.filter(pk__in=[vm.pk for vm in made[2:]]).delete()
    back = api.get(second).json()["previous"]
    page = api.get(back.removeprefix("http://testserver/api/v1")).json()
    assert names(page["results"]) == [vm.name for vm in made[:2]]
    VM.objects.filter(pk=made[1].pk).delete()
    page = api.get(back.removeprefix("http://testserver/api/v1")).json()
    assert names(page["results"]) == [made[0].name]


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "W10:abc", "%F0%9F%9A%80", "null"])
def test_a_made_up_cursor_is_refused(api: Api, cursor: str) -> None:
    problem(api.get(f"/vms?cursor={cursor}"), 400, "cursor-invalid")


def test_a_cursor_signed_for_something_else_is_refused(api: Api) -> None:
    foreign = Signer(salt="something else").sign_object([1])
    problem(api.get(f"/vms?cursor={foreign}"), 400, "cursor-invalid")


def test_a_list_says_where_to_listen_for_what_follows(
    api: Api, project: Project
) -> None:
    listed = api.get(f"/vms?project={project.pk}")
    assert listed.headers["Event-Cursor"] == "000000000000"
    # Several projects have no common order of events.
    assert "Event-Cursor" not in api.get("/vms").headers


@given(
    count=st.integers(0, 12),
    per_page=st.integers(1, 5),
    ordering=st.sampled_from(["created_at", "-created_at", "name", "-name,created_at"]),
    changes=st.lists(
        st.tuples(st.booleans(), st.integers(0, 11), st.sampled_from("amz")),
        max_size=8,
    ),
)
@hypothesis_settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_walk_gives_every_row_that_stays_exactly_once(
    api: Api,
    count: int,
    per_page: int,
    ordering: str,
    changes: list[tuple[bool, int, str]],
) -> None:
    """Rows come and go while a client walks; those that were there throughout, and
    only those for sure, are seen, and none is seen twice."""
    VM.objects.all().delete()
    start = VMFactory.create_batch(count)
    for n, vm in enumerate(start):
        VM.objects.filter(pk=vm.pk).update(name="abc"[n % 3])
    removed: set[str] = set()
    plan = iter(changes)

    def change() -> None:
        insert, position, name = next(plan, (None, 0, ""))
        if insert:
            VMFactory.create(name=name)
        elif insert is False and position < count:
            VM.objects.filter(pk=start[position].pk).delete()
            removed.add(str(start[position].pk))

    url = f"/vms?cursor=&per_page={per_page}&ordering={ordering}"
    seen = [row["id"] for row in follow(api, url, change)]
    assert len(seen) == len(set(seen))
    assert {str(vm.pk) for vm in start} - removed <= set(seen)
