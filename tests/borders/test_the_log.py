"""What strangers and the impatient can make the log grow by, and how it ends."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
import structlog
import time_machine
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from compute import events, tasks
from compute.errors import PermissionDenied
from compute.models import Event, Project, Repeat, User
from compute.models.event import RETENTION
from compute.services import audit
from tests.conftest import ALICE
from tests.support.api import Api, as_user, problem
from tests.support.console import Operator
from tests.support.factories import ProjectFactory, UserFactory
from tests.support.populated_projects import member
from tests.support.racing import at_once
from vmmanager.celery import app

ELSEWHERE = {"Sec-Fetch-Site": "cross-site"}


def refusals() -> list[Event]:
    return list(Event.objects.filter(type="request.refused").order_by("created_at"))


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


# Strangers


def test_strangers_write_no_rows(
    db: None, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        audit, "_strangers", audit._Tally("anonymous requests were refused")
    )
    for number in range(20):
        path = f"/api/v1/{'x' * 5000}{number}"
        answer = Client().post(path, headers=ELSEWHERE)
        assert answer.status_code == 403
    assert not Event.objects.exists()
    told = [
        line for line in lines if line["event"] == "anonymous requests were refused"
    ]
    assert [line["total"] for line in told] == [1, 10]
    assert len(told[0]["path"]) == 255
    assert told[0]["address"] == "127.0.0.1"


def test_strangers_are_counted_to_the_last(
    db: None, lines: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tally = audit._Tally("anonymous requests were refused")
    clock = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for second in range(130):
        clock[0] = 1000.0 + second
        tally.add()
    assert [line["total"] for line in lines] == [1, 10, 70, 130]


def test_a_line_of_the_log_keeps_the_beginning_of_a_path(
    db: None, lines: list[Any]
) -> None:
    Client().get(f"/api/v1/{'x' * 5000}")
    (line,) = [line for line in lines if line["event"] == "request"]
    assert len(line["path"]) == 255


# The impatient


@pytest.fixture
def reader(shop: Project) -> Api:
    return as_user(member(shop, "reader", username="rita"))


def refuse(reader: Api, shop: Project) -> None:
    problem(
        reader.patch(f"/projects/{shop.pk}", {"description": "x"}),
        403,
        "permission-denied",
    )


def test_a_refusal_repeated_within_a_minute_is_one_row_and_a_count_in_the_next(
    reader: Api, shop: Project, time_machine: time_machine.TimeMachineFixture
) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    for _ in range(7):
        refuse(reader, shop)
    (first,) = refusals()
    assert "repeated" not in first.details
    time_machine.move_to(start + timedelta(seconds=61), tick=False)
    refuse(reader, shop)
    assert refusals()[1].details["repeated"] == 6
    time_machine.move_to(start + timedelta(seconds=200), tick=False)
    refuse(reader, shop)
    assert "repeated" not in refusals()[2].details
    sequences = [event.sequence for event in refusals()]
    assert sequences == [1, 2, 3]  # without gaps


def test_what_differs_is_told_apart(reader: Api, shop: Project) -> None:
    other = ProjectFactory.create()
    other.memberships.create(user=User.objects.get(username="rita"), role="reader")
    refuse(reader, shop)
    refuse(reader, other)
    refuse(as_user(member(shop, "reader", username="rob")), shop)
    assert reader.delete(f"/projects/{shop.pk}").status_code == 403
    assert len(refusals()) == 4


def test_a_path_that_the_client_makes_up_is_one_thing(db: None) -> None:
    api = as_user(UserFactory.create())
    for number in range(30):
        api.post(f"/nowhere/{'x' * 3000}{number}", Sec_Fetch_Site="cross-site")
    (event,) = refusals()
    assert len(event.details["path"]) == 255


def test_names_that_the_client_makes_up_are_one_thing(
    reader: Api, shop: Project
) -> None:
    for number in range(20):
        path = f"/projects/{shop.pk}/members/nobody-{number}"
        problem(reader.put(path, {"role": "admin"}), 403, "permission-denied")
    (event,) = refusals()
    assert (event.subject_kind, event.subject_id) == ("project", shop.pk)
    assert event.subject_version == shop.version


def test_a_quota_that_is_full_is_told_once(shop: Project) -> None:
    api = as_user(member(shop, "member", username="mia"))
    shop.quotas.update_or_create(resource="keypairs", defaults={"limit": 0})
    for number in range(5):
        body = {"name": f"key-{number}", "project": str(shop.pk)}
        problem(api.post("/keypairs", body), 403, "resource-limit-exceeded")
    (event,) = refusals()
    assert (event.subject_kind, event.subject_id) == ("project", shop.pk)
    problem(
        api.patch(f"/projects/{shop.pk}/quota", {"keypairs": {"limit": 9}}),
        403,
        "permission-denied",
    )
    assert refusals()[1].subject_kind == "quota"


def test_the_console_folds_too(operator: Operator, project: Project) -> None:
    for _ in range(5):
        operator.post(f"compute/project/{project.pk}/delete/")
    assert len(refusals()) == 1


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_of_refusals_at_once_one_is_written() -> None:
    shop = ProjectFactory.create()
    refusal = partial(
        audit.refused,
        PermissionDenied("No."),
        actor=ALICE,
        method="POST",
        path="/x",
        project_id=shop.pk,
    )
    at_once(*[refusal] * 12)
    assert len(refusals()) == 1
    assert Repeat.objects.get().count == 11


def test_what_nobody_repeats_is_forgotten(
    reader: Api, shop: Project, time_machine: time_machine.TimeMachineFixture
) -> None:
    refuse(reader, shop)
    tasks.forget_events()
    assert Repeat.objects.count() == 1
    time_machine.move_to(timezone.now() + timedelta(days=2))
    tasks.forget_events()
    assert not Repeat.objects.exists()


# Its end


@pytest.fixture
def history(shop: Project, settings: Settings) -> Callable[[], set[str]]:
    """Events of several ages; returns the types of those that are there."""
    settings.EVENT_RETENTION_DAYS = 400
    now = timezone.now()
    aged = [
        Event(
            type=f"{days} days", actor="system", created_at=now - timedelta(days=days)
        )
        for days in (0, 29, 31, 399, 401, 5000)
    ]
    events.record_all(shop.pk, aged)

    def types() -> set[str]:
        return set(Event.objects.values_list("type", flat=True))

    return types


def test_old_events_are_removed_and_no_others(
    history: Callable[[], set[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "BATCH", 1)
    tasks.forget_events()
    assert history() == {"0 days", "29 days", "31 days", "399 days"}
    tasks.forget_events()
    assert len(history()) == 4


def test_zero_days_keep_all(
    history: Callable[[], set[str]], settings: Settings
) -> None:
    settings.EVENT_RETENTION_DAYS = 0
    tasks.forget_events()
    assert len(history()) == 6


def test_beat_removes_them() -> None:
    scheduled = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {"compute.tasks.forget_events", "compute.tasks.forget_logins"} <= scheduled
    assert scheduled <= set(app.tasks)


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM compute_event"],
        [f"SET LOCAL {RETENTION} = '400'", "DELETE FROM compute_event"],
        [f"SET LOCAL {RETENTION} = '1'", "DELETE FROM compute_event"],
        [f"SET LOCAL {RETENTION} = '-9'", "DELETE FROM compute_event"],
        [f"SET LOCAL {RETENTION} = ''", "DELETE FROM compute_event"],
        [f"SET LOCAL {RETENTION} = '400'", "UPDATE compute_event SET actor = 'x'"],
        ["ALTER TABLE compute_event ENABLE TRIGGER ALL", "TRUNCATE compute_event"],
        [
            "ALTER TABLE compute_event ENABLE TRIGGER ALL",
            "TRUNCATE compute_project CASCADE",
        ],
    ],
)
def test_postgresql_lets_no_other_row_go(
    history: Callable[[], set[str]], statements: list[str]
) -> None:
    # What the foreign keys wait for must be done before a table is altered.
    *before, last = ["SET CONSTRAINTS ALL IMMEDIATE", *statements]
    with transaction.atomic(), connection.cursor() as cursor:
        for statement in before:
            cursor.execute(statement)
        with pytest.raises(IntegrityError, match="append-only"):
            cursor.execute(last)
        transaction.set_rollback(True)
    assert len(history()) == 6
