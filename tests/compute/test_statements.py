"""SQL that is compiled once answers each time what the ORM would."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.db.models import CharField, F, QuerySet, UUIDField, Value
from django.db.models.functions import Concat
from django.test.utils import CaptureQueriesContext

from compute import statements
from compute.models import VM, Project
from compute.statements import Among, Slot
from tests.support.factories import VMFactory

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def none_kept() -> None:
    statements._kept.clear()


def named(*names: str) -> list[VM]:
    return [VMFactory.create(name=name) for name in names]


def by_name() -> QuerySet[Any, Any]:
    every = VM.objects.filter(name=Slot("name", CharField()))
    return every.order_by("created_at").values_list("pk", "created_at")


def test_each_run_has_its_own_values(project: Project) -> None:
    web, api = named("web", "api")
    for vm in (web, api, web):
        statement = statements.kept("by name", by_name)
        (row,) = statement.rows({"name": vm.name}, limit=5)
        assert statement.converted(row, 0) == vm.pk
        assert statement.converted(row, 1) == vm.created_at
        assert statement.count({"name": vm.name}, limit=5) == 1


def test_it_is_compiled_once(project: Project) -> None:
    made: list[int] = []

    def make() -> QuerySet[Any, Any]:
        made.append(1)
        return by_name()

    first = statements.kept(("a", "key"), make)
    assert statements.kept(("a", "key"), make) is first
    statements.kept(("another", "key"), make)
    assert len(made) == 2


def test_no_more_are_kept_than_so_many(project: Project) -> None:
    for number in range(statements.MAX_KEPT + 5):
        statements.kept(number, lambda: Project.objects.values_list("pk"))
    assert len(statements._kept) <= statements.MAX_KEPT


def test_what_is_in_use_stays_while_others_are_made(project: Project) -> None:
    made: list[int] = []

    def make() -> QuerySet[Any, Any]:
        made.append(1)
        return by_name()

    for number in range(statements.MAX_KEPT * 2):
        if number % 100 == 0:
            statements.kept("in use", make)
        statements.kept(number, lambda: Project.objects.values_list("pk"))
    assert len(made) == 1


def test_percent_signs_stay_what_they_are(project: Project) -> None:
    named("100 %", "100 %s", "50")
    label = Concat(F("name"), Value(" %s %% %(p0)s"))
    found = VM.objects.filter(name__contains="%").order_by("name")
    rows = statements.compiled(found.values_list(label)).rows({}, limit=5)
    assert rows == [("100 % %s %% %(p0)s",), ("100 %s %s %% %(p0)s",)]


def test_what_can_have_no_rows_asks_nothing(project: Project) -> None:
    nothing = statements.compiled(VM.objects.filter(pk__in=()).values_list("pk"))
    every = VM.objects.filter(Among(F("pk"))).values_list("name")
    with CaptureQueriesContext(connection) as queries:
        assert nothing.rows({}, limit=5) == []
        assert nothing.count({}, limit=5) == 0
        among = statements.compiled(every)
        assert among.page_among(nothing, {}, limit=5, offset=0) == []
    assert not queries.captured_queries


def test_one_statement_writes_what_another_finds(project: Project) -> None:
    named("a", "b", "c", "d")
    found = statements.compiled(
        VM.objects.exclude(name="b").order_by("-name").values_list("pk"), prefix="q"
    )
    every = VM.objects.filter(Among(F("pk"))).annotate(of=Value("x"))
    writing = statements.compiled(every.order_by("-name").values_list("name", "of"))
    rows = writing.page_among(found, {}, limit=2, offset=1)
    assert [tuple(row) for row in rows] == [("c", "x"), ("a", "x")]


def test_a_count_ends_at_its_limit(project: Project) -> None:
    named("a", "b", "c")
    statement = statements.compiled(VM.objects.values_list("pk"))
    assert [statement.count({}, limit=limit) for limit in (2, 3, 4)] == [2, 3, 3]


def test_a_value_that_is_missing_is_an_error(project: Project) -> None:
    every = VM.objects.filter(pk=Slot("id", UUIDField())).values_list("pk")
    with pytest.raises(KeyError):
        statements.compiled(every).rows({}, limit=1)


def test_threads_that_ask_at_once_all_get_one(project: Project) -> None:
    start, got = threading.Barrier(8), []

    def ask() -> None:
        start.wait()
        got.append(statements.kept("threads", by_name))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 8
    assert statements.kept("threads", by_name) in got
