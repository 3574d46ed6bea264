"""`GET /events?after=`: list, take the cursor, follow; nothing lost, nothing twice."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from compute import events
from compute.api import following
from compute.models import VM, Event, Project, User
from tests.conftest import ALICE
from tests.support.api import Api, as_user, errors, problem
from tests.support.factories import MembershipFactory, ProjectFactory

MakeVM = Callable[..., VM]


@pytest.fixture
def admin(project: Project) -> User:
    user: User = MembershipFactory.create(role="admin").user
    return user


def happen(project: Project, *types: str) -> None:
    for type in types:
        events.record(type, actor=ALICE, project=project)


def read(api: Api, after: str, query: str = "") -> tuple[list[str], str]:
    """Return the types of one page after a cursor, and the cursor to go on from."""
    answer = api.get(f"/events?after={after}{query}")
    assert answer.status_code == 200, answer.content
    types = [row["type"] for row in answer.json()["results"]]
    return types, answer.headers["Event-Cursor"]


def walk(api: Api, after: str, query: str = "") -> Iterator[dict[str, Any]]:
    """Yield all there is after a cursor, page by page."""
    path: str | None = f"/events?after={after}{query}"
    while path:
        body = api.get(path).json()
        yield from body["results"]
        path = (body["next"] or "").partition("/api/v1")[2] or None


def test_a_list_and_what_follows_it_are_the_whole_story(
    admin: User, make_vm: MakeVM, project: Project
) -> None:
    api = as_user(admin)
    make_vm()
    cursor = api.get("/vms").headers["Event-Cursor"]
    assert read(api, cursor) == ([], cursor)
    happen(project, "one", "two", "three")
    types, cursor = read(api, cursor)
    assert types == ["one", "two", "three"]
    assert read(api, cursor) == ([], cursor)


def test_pages_follow_each_other_in_order(admin: User, project: Project) -> None:
    api = as_user(admin)
    happen(project, *(f"type-{number}" for number in range(7)))
    rows = list(walk(api, "0", "&per_page=3"))
    assert [row["type"] for row in rows] == [f"type-{number}" for number in range(7)]
    assert [int(row["sequence"]) for row in rows] == list(range(1, 8))
    types, cursor = read(api, "0", "&per_page=3")
    assert (types[-1], cursor) == ("type-2", "000000000003")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("type=vm.*", ["vm.created", "vm.updated"]),
        ("type=vm.*,login.failed", ["vm.created", "vm.updated", "login.failed"]),
        ("type=vm.created", ["vm.created"]),
        ("type=vm", []),
        ("type=*", []),
        ("actor=user:nobody", []),
    ],
)
def test_what_does_not_match_is_passed_over_once(
    admin: User, project: Project, query: str, expected: list[str]
) -> None:
    api = as_user(admin)
    happen(project, "vm.created", "vmware.created", "vm.updated", "login.failed")
    assert read(api, "0", f"&{query}") == (expected, "000000000004")


def test_the_beginning_of_a_type_is_for_who_follows(
    admin: User, project: Project
) -> None:
    happen(project, "vm.created")
    for query in ("type=vm.*", "type=login.failed,vm.*"):
        response = as_user(admin).get(f"/events?{query}")
        assert errors(response) == [("type", "invalid")]


def test_one_subject_is_followed(
    admin: User, make_vm: MakeVM, project: Project
) -> None:
    api = as_user(admin)
    vm = make_vm()
    make_vm()
    rows = list(walk(api, "0", f"&subject=vms/{vm.pk}"))
    assert {row["subject"] for row in rows} == {f"vms/{vm.pk}"}
    assert len(rows) == Event.objects.filter(subject_id=vm.pk).count() > 1
    for wrong in ("vms", "vms/", f"cars/{vm.pk}", f"{vm.pk}", "vms/x", f"vm/{vm.pk}"):
        response = api.get(f"/events?subject={wrong}")
        assert errors(response) == [("subject", "invalid")]


def test_a_page_looks_at_so_many_events_and_no_more(
    admin: User, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_LOOKED_AT", 3)
    api = as_user(admin)
    happen(project, *["noise"] * 8, "rare", "noise")
    first = api.get("/events?after=0&type=rare")
    assert (first.json()["results"], first.headers["Event-Cursor"]) == (
        [],
        "000000000003",
    )
    assert "after=000000000003" in first.json()["next"]
    assert [row["type"] for row in walk(api, "0", "&type=rare")] == ["rare"]


def test_it_costs_the_same_however_much_there_is(
    admin: User, project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    api = as_user(admin)
    happen(project, "one")
    read(api, "0")
    happen(project, *["more"] * 50)
    # who asks, is the next one there, page, what it is about
    with django_assert_num_queries(4):
        read(api, "0", "&per_page=100")


# Who may


def test_another_project_is_as_one_that_does_not_exist(
    admin: User, project: Project
) -> None:
    api = as_user(admin)
    strange = ProjectFactory.create()
    happen(strange, "secret")
    for id in (strange.pk, "00000000-0000-4000-8000-000000000000"):
        answer = api.get(f"/events?after=0&project={id}")
        assert errors(answer) == [("project", "does_not_exist")]
        assert answer.json()["errors"][0]["detail"] == f"No project {id}."


def test_each_of_several_projects_is_followed_by_itself(
    admin: User, project: Project, api: Api
) -> None:
    other = ProjectFactory.create()
    MembershipFactory.create(user=admin, project=other, role="admin")
    happen(project, "here")
    happen(other, "there")
    for asks in (as_user(admin), api):  # an operator has all of them
        assert errors(asks.get("/events?after=0")) == [("project", "required")]
        assert read(asks, "0", f"&project={other.pk}")[0] == ["there"]
        for wrong in (f"{project.pk},{other.pk}", "x"):
            assert errors(asks.get(f"/events?after=0&project={wrong}")) == [
                ("project", "invalid")
            ]


def test_it_is_for_admins_of_the_project(admin: User, project: Project) -> None:
    reads = ProjectFactory.create()
    MembershipFactory.create(user=admin, project=reads, role="reader")
    api = as_user(admin)
    problem(api.get(f"/events?after=0&project={reads.pk}"), 403, "permission-denied")
    assert read(api, "0", f"&project={project.pk}")[0] == []


# Cursors


def test_the_log_is_followed_from_so_many_days_back(
    admin: User, project: Project, settings: Settings
) -> None:
    settings.EVENT_STREAM_DAYS = 3
    api = as_user(admin)
    with time_machine.travel(timezone.now() - timedelta(days=4)):
        happen(project, "one")
    with time_machine.travel(timezone.now() - timedelta(days=2)):
        happen(project, "two")
    problem(api.get("/events?after=0"), 410, "cursor-expired")
    assert read(api, "1") == (["two"], "000000000002")
    settings.EVENT_STREAM_DAYS = 1
    problem(api.get("/events?after=1"), 410, "cursor-expired")
    assert read(api, "2") == ([], "000000000002")
    # It is still there to be listed.
    assert len(api.get("/events").json()["results"]) == 2


def test_a_cursor_that_is_too_old_is_told_before_anything_is_missed(
    admin: User, project: Project
) -> None:
    api = as_user(admin)
    with time_machine.travel(timezone.now() - timedelta(days=500)):
        happen(project, "one", "two")
    happen(project, "three")
    assert Event.objects.all().forget(older_than=timedelta(days=400), limit=10) == 2
    for gone in ("0", "1"):
        problem(api.get(f"/events?after={gone}"), 410, "cursor-expired")
    assert read(api, "2") == (["three"], "000000000003")


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1.5", "x", "1" * 13, "%D9%A1", "1,2", "000000000009"]
)
def test_what_is_no_cursor_of_this_log_is_refused(
    admin: User, project: Project, text: str
) -> None:
    happen(project, "one")
    assert errors(as_user(admin).get(f"/events?after={text}")) == [("after", "invalid")]


@pytest.mark.parametrize("query", ["cursor=", "ordering=created_at", "page=1"])
def test_a_cursor_of_the_log_goes_with_no_other_order(
    admin: User, project: Project, query: str
) -> None:
    errors(as_user(admin).get(f"/events?after=0&{query}"))


# Waiting


@pytest.fixture
def soon(
    transactional_db: None, django_db_serialized_rollback: None
) -> Iterator[Callable[..., None]]:
    """Have something happen in a moment, in a thread of its own."""
    threads = []

    def start(project: Project, *types: str, after: float = 0.3) -> None:
        def record() -> None:
            try:
                for type in types:
                    time.sleep(after)
                    happen(project, type)
            finally:
                connection.close()

        threads.append(threading.Thread(target=record))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def test_who_waits_gets_the_next_event_as_it_comes(
    soon: Callable[..., None], admin: User, project: Project
) -> None:
    api = as_user(admin)
    happen(project, "old")
    soon(project, "noise", "vm.created")
    begun = time.monotonic()
    answer = api.get("/events?after=1&type=vm.*", Prefer="wait=20")
    assert 0.5 < time.monotonic() - begun < 5
    assert answer.headers["Preference-Applied"] == "wait=20"
    assert [row["type"] for row in answer.json()["results"]] == ["vm.created"]
    assert answer.headers["Event-Cursor"] == "000000000003"


def test_who_waits_in_vain_goes_on_from_where_the_log_is(
    soon: Callable[..., None], admin: User, project: Project
) -> None:
    soon(project, "noise", after=0.1)
    answer = as_user(admin).get("/events?after=0&type=vm.*", Prefer="wait=1")
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert answer.headers["Event-Cursor"] == "000000000001"


def test_where_no_wait_has_room_the_answer_comes_at_once(
    admin: User, project: Project, settings: Settings
) -> None:
    settings.API_MAX_WAITERS = 0
    answer = as_user(admin).get("/events?after=0", Prefer="wait=20")
    assert (answer.status_code, answer.json()["results"]) == (200, [])
    assert "Preference-Applied" not in answer.headers
