"""The page of events: what the audit shows and finds, and that it only grows."""

import pytest

from compute import events
from compute.events import Actor
from compute.models import Event, Outcome, Project
from compute.models.kinds import KINDS
from compute.permissions import PERMISSIONS
from tests.support.console import Operator, permission, staff
from tests.support.factories import ProjectFactory

ALICE = Actor(
    "user:alice",
    request_id="req-8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    token="osl_QqZz1234",  # pragma: allowlist secret  # how one begins
    address="192.0.2.7",
)


@pytest.fixture
def lab(db: None) -> Project:
    return ProjectFactory.create(name="lab")


@pytest.fixture(autouse=True)
def trail(lab: Project) -> None:
    """Three events: one of a project, one refused, one that is no project's."""
    events.record("project.updated", actor=ALICE, project=lab)
    refused = events.by(
        Actor("user:bob", address="2001:db8::1"),
        "request.refused",
        outcome=Outcome.REFUSED,
        details={"code": "last-admin", "detail": "Make somebody else an admin first."},
    )
    events.record_all(Project.objects.default().pk, [refused])
    events.record_outside(
        "login.failed",
        actor=Actor("anonymous", address="198.51.100.9"),
        outcome=Outcome.FAILED,
    )


def types(operator: Operator, query: str) -> set[str]:
    page = operator.get(f"compute/event/?{query}")
    known = ("project.updated", "request.refused", "login.failed")
    return {name for name in known if f">{name}</a>" in page}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", {"project.updated", "request.refused", "login.failed"}),
        ("outcome__exact=REFUSED", {"request.refused"}),
        ("outcome__exact=FAILED", {"login.failed"}),
        ("type=project", {"project.updated"}),
        ("type=login.failed", {"login.failed"}),
        ("type=log", set()),
        (
            "created_at__gte=2020-01-01T00:00Z",
            {"project.updated", "request.refused", "login.failed"},
        ),
        ("created_at__lt=2020-01-01T00:00Z", set()),
        ("q=192.0.2.7", {"project.updated"}),
        ("q=2001:DB8:0::1", {"request.refused"}),
        ("q=192.0.2", set()),
        ("q=user:bob", {"request.refused"}),
        ("q=login.failed", {"login.failed"}),
        (f"q={ALICE.request_id}", {"project.updated"}),
    ],
)
def test_events_are_filtered_and_searched(
    operator: Operator, query: str, expected: set[str]
) -> None:
    assert types(operator, query) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_the_events_of_every_kind_are_offered(operator: Operator, kind: str) -> None:
    event = events.by(ALICE, f"{kind}.updated")
    events.record_all(Project.objects.default().pk, [event])
    assert f'?type={kind}"' in operator.get("compute/event/")
    assert f">{kind}.updated</a>" in operator.get(f"compute/event/?type={kind}")


def test_events_are_filtered_by_project(operator: Operator, lab: Project) -> None:
    assert types(operator, f"project={lab.pk}") == {"project.updated"}


def test_an_event_tells_who_from_where_and_with_what(operator: Operator) -> None:
    event = Event.objects.get(type="project.updated")
    line = operator.get("compute/event/")
    page = operator.get(f"compute/event/{event.pk}/change/")
    for text in (line, page):
        assert "SUCCEEDED" in text
        assert "user:alice" in text
        assert "osl_QqZz1234" in text
        assert "192.0.2.7" in text
        assert f"?q={ALICE.request_id}" in text
    assert "Make somebody else an admin first." in line


def test_an_event_of_no_project_has_a_page(operator: Operator) -> None:
    event = Event.objects.get(project=None)
    assert "198.51.100.9" in operator.get(f"compute/event/{event.pk}/change/")


def test_nobody_writes_the_trail(operator: Operator) -> None:
    event = Event.objects.get(project=None)
    path = f"compute/event/{event.pk}"
    before = list(Event.objects.order_by("id").values("id", "type", "data"))
    operator.get("compute/event/add/", status=403)
    for verb in ("change", "delete"):
        assert operator.status_of_post(f"{path}/{verb}/", type="x", post="yes") == 403
    assert 'name="_save"' not in operator.get(f"{path}/change/")
    kept = Event.objects.filter(pk__in=[row["id"] for row in before])
    assert list(kept.order_by("id").values("id", "type", "data")) == before


def test_the_trail_takes_a_permission() -> None:
    name = PERMISSIONS["event.list"].codename
    staff("lea", permission("view_vm")).get("compute/event/", status=403)
    staff("eve", permission(name)).get("compute/event/")
