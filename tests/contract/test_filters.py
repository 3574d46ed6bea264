"""Filters: a name with a comma, choices that are told, and case in any alphabet."""

from urllib.parse import quote

import pytest
from django.db import connection

from compute.models import VM, OperationType, Project, User, VMStatus
from tests.support.api import Api, errors
from tests.support.console import Operator
from tests.support.factories import (
    ProjectFactory,
    SnapshotFactory,
    UserFactory,
    VMFactory,
)

ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
NAMES = ("a,b", "a", "b", '"quoted"', '5" disk', '",', "plain", "a,b,c")


def names(api: Api, path: str, **filters: str) -> list[str]:
    query = "&".join(f"{name}={quote(text)}" for name, text in filters.items())
    return sorted(api.names(f"{path}?{query}&per_page=100"))


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", ["plain"]),
        ("a,b", ["a", "b"]),
        ('"a,b"', ["a,b"]),
        ('"a,b",plain', ["a,b", "plain"]),
        ('plain,"a,b,c"', ["a,b,c", "plain"]),
        ('5" disk', ['5" disk']),
        ('"""quoted"""', ['"quoted"']),
        ('""","', ['",']),
    ],
)
def test_a_name_with_a_comma_is_found(api: Api, text: str, expected: list[str]) -> None:
    for name in NAMES:
        VMFactory.create(name=name)
    assert names(api, "/vms", name=text) == expected


def test_every_name_is_found_by_itself(api: Api) -> None:
    for name in NAMES:
        VMFactory.create(name=name)
        SnapshotFactory.create(name=name, vm=VM.objects.latest("created_at"))
        ProjectFactory.create(name=name)
    for path in ("/vms", "/snapshots", "/projects"):
        for name in NAMES:
            assert names(api, path, name=quoted(name)) == [name]


@pytest.mark.parametrize("text", ['"a', '"a"b', '"a,b', '"', 'a,"b'])
def test_quotes_that_do_not_close_are_refused(api: Api, text: str) -> None:
    answer = api.get(f"/vms?name={quote(text)}")
    assert errors(answer) == [("name", "invalid")]
    assert '"a,b"' in answer.json()["detail"]


@pytest.mark.parametrize("text", ['""', 'a,""', ",", "a,,b", "a,"])
def test_a_quoted_nothing_is_nothing(api: Api, text: str) -> None:
    assert errors(api.get(f"/vms?name={quote(text)}")) == [("name", "blank")]


def test_values_may_be_repeated_and_listed(api: Api) -> None:
    for name in NAMES:
        VMFactory.create(name=name)
    path = f"/vms?name=a&name={quote(quoted('a,b'))},plain&per_page=100"
    assert sorted(api.names(path)) == ["a", "a,b", "plain"]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/vms?status=active", VMStatus.values),
        # The sentence has an end: these are too many for it.
        ("/operations?type=stop", OperationType.values[:20]),
        ("/operations?status=DONE", ["PENDING", "RUNNING", "SUCCEEDED"]),
        ("/snapshots?status=ready", ["CREATING", "AVAILABLE", "ERROR"]),
        ("/vms?ordering=flavor", ["created_at", "updated_at", "name"]),
        ("/vms?include_deleted=yes", ["true", "false"]),
    ],
)
def test_who_misses_a_choice_is_told_which_there_are(
    api: Api, path: str, known: list[str]
) -> None:
    answer = api.get(path)
    assert len(errors(answer)) == 1
    for value in known:
        assert value in answer.json()["detail"]


@pytest.mark.parametrize(
    "text",
    [
        ID.replace("-", ""),
        f"{{{ID}}}",
        f"urn:uuid:{ID}",
        f"{ID}x",
    ],
)
def test_an_id_has_one_form(api: Api, text: str) -> None:
    assert errors(api.get(f"/vms?project={quote(text)}")) == [("project", "invalid")]


#: A name, what finds it, and what does not.
FOLDED = [
    ("Größe", ("GRÖSS", "größe", "GRÖẞE"), ("grosse",)),
    ("ÄÖÜ-web", ("äöü-WEB", "öü"), ("aou",)),
    ("Жди-1", ("ЖДИ", "жди-1"), ("zhdi",)),
    ("ΑΘΗΝΑ", ("αθηνα", "Θηνα"), ("αθηνά",)),
    ("50% off_now", ("50%", "OFF_", "%"), ("50x", "off-")),
]


@pytest.mark.parametrize(("name", "found", "missed"), FOLDED)
def test_case_is_folded_beyond_ascii(
    api: Api, name: str, found: tuple[str, ...], missed: tuple[str, ...]
) -> None:
    VMFactory.create(name=name)
    SnapshotFactory.create(name=name, vm=VMFactory.create(name="other"))
    for filter in ("name__contains", "search"):
        for text in found:
            # What two letters fold to as one, SQLite alone finds.
            if connection.vendor != "sqlite" and text in ("GRÖSS", "GRÖẞE"):
                continue
            assert names(api, "/vms", **{filter: text}) == [name], (filter, text)
            assert names(api, "/snapshots", **{filter: text}) == [name], (filter, text)
        for text in missed:
            assert names(api, "/vms", **{filter: text}) == [], (filter, text)


def test_the_console_folds_it_too(project: Project) -> None:
    operator = Operator(User.objects.create_superuser("olga", password="x"))
    VMFactory.create(name="Größe")
    ProjectFactory.create(name="Übung")
    UserFactory.create(username="ÄNNE")
    assert "Größe" in operator.get("compute/vm/?q=GRÖ")
    assert "Übung" in operator.get("compute/project/?q=übung")
    assert "ÄNNE" in operator.get("compute/user/?q=änne")
