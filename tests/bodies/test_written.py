"""What the database writes is the body that Python makes, whatever a row holds."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from django.db import connection, models
from django.db.models import F, Model

from compute import statements
from compute.access import Access
from compute.api.urls import NOUNS
from compute.bodies.body import Body
from compute.bodies.reader import Reader
from compute.bodies.written import Column, JSONText, writer_of
from compute.models import VM, Cloud, CloudService, Event, Operation, Project
from tests.bodies.test_bodies import BODIES, ERROR
from tests.support.factories import VMFactory
from tests.support.populated_projects import Place, settle

ODD_TEXTS = (
    "",
    "\"quoted\" \\ back/slash 'single' %s %% {0} {{}}",
    "emoji \N{GRINNING FACE} \N{LINE SEPARATOR} é ß \x01\x1f\x7f tab\tline\r\n",
)
ODD_TIMES = (
    datetime(1001, 1, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 2, 28, 12, 0, 0, 100000, tzinfo=UTC),
)
ODD_JSON: tuple[Any, ...] = (
    {},
    {"a": [1.5, -0.25, 2**60, None, True], "é": {"\N{SNOWMAN}": '"\\%s'}},
    {"list": [], "text": ODD_TEXTS[2], "nested": {"nested": {"x": 1}}},
)


#: Type of column -> odd values of it; the first that fits.
ODD: Sequence[tuple[type["models.Field[Any, Any]"], tuple[Any, ...]]] = (
    (models.GenericIPAddressField, ("192.0.2.7", "2001:db8::1", "::ffff:10.0.0.1")),
    (models.CharField, ODD_TEXTS),
    (models.TextField, ODD_TEXTS),
    (models.DateTimeField, ODD_TIMES),
    (models.BooleanField, (False, True, False)),
    (models.BigIntegerField, (0, 2**63 - 1, 10**15)),
    (models.PositiveSmallIntegerField, (0, 2**15 - 1, 7)),
    (models.IntegerField, (0, 2**31 - 1, 7)),
    (models.JSONField, ODD_JSON),
    (models.UUIDField, (UUID(int=0), UUID(int=2**128 - 1), UUID(int=10**20))),
)


def odd(field: "models.Field[Any, Any]", index: int) -> Any:
    value = next(values for kind, values in ODD if isinstance(field, kind))[index]
    return value[: field.max_length] if isinstance(value, str) else value


#: What constraints tie together, or has a shape of its own.
TIED = {
    *("deleted_at", "finished_at", "sequence", "error"),
    *("target_kind", "subject_kind", "subject_id"),
}


def odd_values(model: type[Model], body: Body, index: int) -> dict[str, Any]:
    """Return odd values for all columns of a body; the fourth is null, where allowed."""
    fields = [
        field
        for field in model._meta.concrete_fields
        if field.attname in body.columns and field.name not in TIED
    ]
    if index == len(ODD_TEXTS):
        return {f.name: None for f in fields if f.null and not f.is_relation}
    return {
        field.name: odd(field, index)
        for field in fields
        if not (field.is_relation or field.primary_key or field.choices)
    }


@pytest.fixture
def place(catalogue: None) -> Place:
    return settle("home")[0]


def same(model: type[Model], body: Body, reader: Reader) -> int:
    """Compare the bodies of all rows of a model; return how many there are."""
    rows = model._default_manager.order_by("pk")
    writer = writer_of(body)
    statement = statements.compiled(rows.values_list(*writer.selected))
    text = writer.array(statement.page({}, limit=1000), reader, statement)
    shown = orjson.dumps(
        [body.show(row, reader) for row in rows],
        default=str,
        option=orjson.OPT_UTC_Z,
    )
    written: list[dict[str, Any]] = json.loads(text)
    assert written == json.loads(shown)
    for row in written:
        assert list(row) == [field.name for field in body.fields]
    return len(written)


def test_every_noun_that_is_listed_is_tried() -> None:
    for path, viewset, _ in NOUNS:
        assert viewset.queryset is not None
        assert BODIES[viewset.queryset.model] is viewset.shows, path


@pytest.mark.django_db
def test_the_database_writes_what_python_makes(place: Place) -> None:
    VM.objects.filter(pk=place.vm.pk).update(error=ERROR, operation=None)
    VMFactory.create(status="ERROR", server_id="", error=ERROR)
    VMFactory.create(status="BUILD", never_launched=True)
    VMFactory.create(server_id="x", observed_at=ODD_TIMES[1], cloud="nowhere")
    for reader in (
        Reader(),
        Reader(lambda: "https://host", Access(place.people["admin"])),
    ):
        for model, body in BODIES.items():
            assert same(model, body, reader), model


@pytest.mark.django_db
@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("model", BODIES, ids=lambda model: model.__name__)
def test_odd_values_are_written_as_python_makes_them(
    place: Place, model: type[Model], index: int
) -> None:
    body = BODIES[model]
    values = odd_values(model, body, index)
    row = model._default_manager.order_by("pk")[0]
    if isinstance(row, Event):  # which nobody changes
        assert row.project is not None
        sequence = row.project.event_sequence + 1
        Event.objects.create(project=row.project, sequence=sequence, **values)
    elif values:
        model._default_manager.filter(pk=row.pk).update(**values)
    assert same(
        model, body, Reader(lambda: "https://host", Access(place.people["admin"]))
    )


@pytest.mark.django_db
@pytest.mark.parametrize("own", [None, ODD_TIMES[0], ODD_TIMES[2]])
@pytest.mark.parametrize("clouds", [None, datetime(2026, 2, 28, 12, tzinfo=UTC)])
def test_the_later_of_two_times_is_written(
    project: Project, own: datetime | None, clouds: datetime | None
) -> None:
    cloud = Cloud.objects.get_or_create(alias="default")[0]
    CloudService.objects.update_or_create(
        cloud=cloud, service="compute", defaults={"observed_at": clouds}
    )
    VMFactory.create(server_id="x", observed_at=own)
    VMFactory.create(server_id="", observed_at=own)
    assert same(VM, BODIES[VM], Reader()) == 2


@pytest.mark.django_db
def test_what_ended_long_ago_and_counts_high_is_written(place: Place) -> None:
    operation = Operation.objects.filter(project=place.project).first()
    assert operation is not None
    for status, finished_at in (("PENDING", None), ("CANCELLED", ODD_TIMES[1])):
        Operation.objects.filter(pk=operation.pk).update(
            status=status, finished_at=finished_at, error=None
        )
        assert same(Operation, BODIES[Operation], Reader())
    Event.objects.create(project=place.project, sequence=10**12 + 1, type="x")
    Event.objects.create(type="login.failed", subject_kind="", address="2001:db8::1")
    assert same(Event, BODIES[Event], Reader())


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
def test_a_constant_with_quotes_and_percent_signs_stays_as_it_is(db: None) -> None:
    odd_constant = 'it\'s 100 % %s %(name)s "{0}"'
    rows = Project.objects.order_by().values_list(JSONText(odd_constant))
    assert statements.compiled(rows).rows({}, limit=1) == [(odd_constant,)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
def test_a_body_may_have_more_fields_than_a_function_arguments(
    project: Project,
) -> None:
    pieces = [
        piece for n in range(120) for piece in (f"{n}:", Column(F("name"), False))
    ]
    rows = Project.objects.filter(pk=project.pk).values_list(JSONText(*pieces))
    expected = "".join(f'{n}:"{project.name}"' for n in range(120))
    assert statements.compiled(rows).rows({}, limit=1) == [(expected,)]
