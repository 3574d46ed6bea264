"""The log only grows."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from compute import events
from compute.models import Event, Project
from tests.conftest import ALICE


@pytest.fixture
def event(project: Project) -> Event:
    return events.record("project.updated", actor=ALICE, project=project)


def test_no_code_changes_or_removes_an_event(event: Event) -> None:
    event.actor = "user:mallory"
    for change in (
        event.save,
        event.delete,
        Event.objects.all().delete,
        lambda: Event.objects.update(actor="user:mallory"),
        lambda: Event.objects.bulk_update([event], ["actor"]),
    ):
        with pytest.raises(TypeError, match="append-only"):
            change()


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.parametrize(
    "statement",
    ["UPDATE compute_event SET actor = 'user:mallory'", "DELETE FROM compute_event"],
)
def test_postgresql_refuses_it_too(event: Event, statement: str) -> None:
    with (
        pytest.raises(IntegrityError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert Event.objects.get().actor == ALICE.name


def test_events_are_counted_and_written_in_two_statements(
    project: Project, django_assert_num_queries: Any
) -> None:
    events.record("project.updated", actor=ALICE, project=project)
    three = [events.by(ALICE, "project.updated") for _ in range(3)]
    with django_assert_num_queries(2):
        events.record_all(project.pk, three)
    assert [event.sequence for event in three] == [2, 3, 4]
    project.refresh_from_db()
    assert project.event_sequence == 4


def test_a_project_that_is_gone_gets_no_event(db: None) -> None:
    with pytest.raises(Project.DoesNotExist):
        events.record_all(uuid.uuid4(), [events.by(ALICE, "project.updated")])
    assert not Event.objects.exists()
