"""One rule for names: Nova's own, checked by every service and so at every door."""

import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema_rs
import pytest
from django.core.exceptions import ValidationError as FieldError
from django.core.management import CommandError, call_command

from compute.api.schema.completion import NAME_SCHEMA
from compute.errors import ValidationError
from compute.limits import MAX_LIMIT, NameValidator, wrong_labels
from compute.models import (
    VM,
    APIToken,
    Operation,
    Project,
    Quota,
    Resource,
    Role,
    Snapshot,
)
from compute.services import projects, quotas, snapshots, tokens, vms
from compute.services.vms import imports
from providers.errors import InvalidRequest
from providers.mock import MockCloud, SeedServer
from providers.mock.world.requests import check_name
from tests.conftest import ALICE
from tests.support.api import Api, errors, operator
from tests.support.api_calls import undone
from tests.support.factories import SnapshotFactory, UserFactory, VMFactory
from tests.support.mock_servers import REQUEST_ID, boot

#: What today's clients paste, and a cloud refuses.
REFUSED = {
    "emoji": "web \U0001f600",
    "zero width space": "we\u200bb",
    "zero width joiner": "we\u200db",
    "right to left override": "web\u202egpj",
    "line separator": "web\u2028db",
    "paragraph separator": "web\u2029db",
    "next line": "web\u0085db",
    "soft hyphen": "web\u00addb",
    "private use": "web\ue000",
    "unassigned": "web\u0378",
    "no character": "web\uffff",
    "byte order mark": "\ufeffweb",
    "tab": "web\tdb",
    "no-break space at the end": "web\u00a0",
    "ideographic space first": "\u3000web",
    "empty": "",
    "long": "x" * 256,
}
#: What it takes, and so do we.
TAKEN = ("x" * 255, "Größe 50\u00a0%", "日本語", "a\u3000b", "☃", "e\u0301")

#: The basic plane as a whole; beyond it there is nothing to be taken.
CHARACTERS = [chr(code) for code in (*range(0x10000), *range(0x10000, 0x110000, 251))]


def nova_prints(char: str) -> bool:
    """Whether Nova's pattern for names has a character: parameter_types.py, in words."""
    category = unicodedata.category(char)
    printable = not category.startswith("C") and (
        not category.startswith("Z") or category == "Zs"
    )
    return printable and ord(char) in range(0xFFFF)


def is_taken(check: Callable[[str], object], name: str) -> bool:
    try:
        check(name)
    except (FieldError, InvalidRequest):
        return False
    return True


@pytest.mark.once
@pytest.mark.parametrize("check", [NameValidator(), check_name], ids=["ours", "mock"])
def test_the_rule_is_novas_for_every_character(check: Callable[[str], object]) -> None:
    wrong = []
    for char in CHARACTERS:
        inside = nova_prints(char)
        at_an_end = inside and unicodedata.category(char) != "Zs"
        for name, wanted in (
            (f"a{char}b", inside),
            (f"{char}b", at_an_end),
            (f"a{char}", at_an_end),
        ):
            if is_taken(check, name) != wanted:
                wrong.append(f"{name!r} {ord(char):04X}")
    assert wrong == []


@pytest.mark.once
def test_the_pattern_of_the_schema_is_the_same_for_what_unicode_has() -> None:
    valid = jsonschema_rs.Draft202012Validator(NAME_SCHEMA).is_valid
    ours = NameValidator()
    wrong = [
        f"{ord(char):04X}"
        for char in CHARACTERS
        if unicodedata.category(char) not in ("Cn", "Cs")
        for name in (f"a{char}b", f"{char}b", f"a{char}")
        if valid(name) != is_taken(ours, name)
    ]
    assert wrong == []


def doors() -> Iterator[tuple[str, Callable[[str], object]]]:
    """Yield every service that takes a name, as a call with nothing else wrong."""
    project, user = Project.objects.default(), operator()
    vm, snapshot = VMFactory.create(), SnapshotFactory.create()
    tenant = projects.create(name="tenant", actor=ALICE)
    yield (
        "create",
        lambda name: vms.create(
            project=project,
            actor=ALICE,
            name=name,
            flavor="m1.small",
            image="ubuntu-22.04",
        ),
    )
    yield "rename", lambda name: vms.update(vm, actor=ALICE, changes={"name": name})
    yield "snapshot", lambda name: snapshots.create(vm, actor=ALICE, name=name)
    yield (
        "rename snapshot",
        lambda name: snapshots.update(snapshot, actor=ALICE, changes={"name": name}),
    )
    yield "project", lambda name: projects.create(name=name, actor=ALICE)
    yield (
        "rename project",
        lambda name: projects.update(tenant, actor=ALICE, changes={"name": name}),
    )
    yield (
        "token",
        lambda name: tokens.create(
            user=user,
            project=project,
            role=Role.READER,
            name=name,
            actor=ALICE,
            expires_at=None,
        ),
    )


def pointers(call: Callable[[], object]) -> list[tuple[str, str]]:
    """Return (pointer, code) of what a service finds wrong; it must find something."""
    with pytest.raises(ValidationError) as caught:
        call()
    return [(row["pointer"], row["code"]) for row in caught.value.members["errors"]]


def _counts() -> list[int]:
    models: tuple[Any, ...] = (VM, Snapshot, Project, APIToken, Operation)
    return [model.objects.count() for model in models]


@pytest.mark.usefixtures("catalogue")
def test_every_service_refuses_what_a_cloud_would() -> None:
    calls = list(doors())
    before = _counts()
    for door, call in calls:
        for kind, name in REFUSED.items():
            found = pointers(lambda: call(name))  # noqa: B023  # called at once
            assert {where for where, _ in found} == {"#/name"}, (door, kind)
    assert _counts() == before
    assert (
        Quota.objects.filter(project=Project.objects.default(), used__gt=0).count() == 0
    )


@pytest.mark.usefixtures("catalogue")
def test_every_service_takes_what_a_cloud_would() -> None:
    for door, call in list(doors()):
        for name in TAKEN:
            with undone():
                assert call(name) is not None, (door, name)


def test_the_api_names_the_field_and_the_character(api: Api, catalogue: None) -> None:
    body = {"flavor": "m1.small", "image": "ubuntu-22.04"}
    for kind, name in REFUSED.items():
        answer = api.post("/vms", {**body, "name": name})
        assert {where for where, _ in errors(answer)} == {"#/name"}, kind
    answer = api.post("/vms", {**body, "name": "we\u200bb"})
    assert answer.json()["detail"] == "Must not contain U+200B (character 3)."
    assert not VM.objects.exists()


def test_a_command_says_it_in_one_line(project: Project) -> None:
    user = operator().username
    told = r"^name: Must not contain U\+1F600 \(character 5\)\.$"
    with pytest.raises(CommandError, match=told):
        call_command("createproject", "web \U0001f600")
    with pytest.raises(CommandError, match=told):
        call_command("createtoken", "--user", user, "--name", "web \U0001f600")


def test_a_name_that_the_cloud_has_is_imported_as_it_is(
    project: Project, cloud: MockCloud
) -> None:
    cloud.controls.seed([SeedServer("50\u00a0% Größe", "2", _CIRROS)])
    assert [found.skipped for found in imports.import_servers("default", project)] == [
        ""
    ]
    assert VM.objects.get().name == "50\u00a0% Größe"


def test_a_name_from_before_novas_rule_says_what_is_wrong_with_it(
    project: Project, cloud: MockCloud
) -> None:
    cloud.controls.seed([SeedServer("we\u200bb", "2", _CIRROS)])
    (found,) = imports.import_servers("default", project)
    told = "its name is not valid for a VM: Must not contain U+200B (character 3)."
    assert found.skipped == told


_CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"


@pytest.mark.once
@pytest.mark.parametrize("name", REFUSED.values(), ids=REFUSED)
def test_the_mock_cloud_refuses_a_snapshots_name_as_nova_does(
    tmp_path: Any, name: str
) -> None:
    mock = MockCloud(path=str(tmp_path / "cloud.sqlite3"), delay="0")
    server_id = boot(mock)
    with pytest.raises(InvalidRequest, match="attribute name"):
        mock.servers.snapshot(server_id, name=name, tag="t", request_id=REQUEST_ID)
    mock.close()


# The other fields


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"description": "x" * 4097}, [("#/description", "max_length")]),
        ({"description": "a\0b"}, [("#/description", "invalid")]),
        ({"description": "a\ud800b"}, [("#/description", "invalid")]),
        ({"description": 5}, [("#/description", "invalid")]),
        ({"labels": {"a b": "c"}}, [("#/labels", "invalid")]),
        ({"labels": {"a": 1}}, [("#/labels", "invalid")]),
        ({"labels": {f"k{n}": "" for n in range(65)}}, [("#/labels", "max_length")]),
        ({"labels": ["a"]}, [("#/labels", "invalid")]),
        ({"name": 5}, [("#/name", "invalid")]),
        ({"name": None}, [("#/name", "null")]),
        (
            {"name": "", "description": "\x07"},
            [("#/description", "invalid"), ("#/name", "blank")],
        ),
    ],
)
def test_a_service_called_directly_refuses_what_the_doors_refuse(
    project: Project, changes: dict[str, Any], where: list[tuple[str, str]]
) -> None:
    vm, snapshot = VMFactory.create(), SnapshotFactory.create()
    for update, row in ((vms.update, vm), (snapshots.update, snapshot)):
        found = pointers(lambda: update(row, actor=ALICE, changes=changes))  # type: ignore[arg-type]  # noqa: B023
        assert sorted(found) == where
        row.refresh_from_db()
        assert row.version == 1


def test_a_limit_is_a_number_that_every_client_can_hold(project: Project) -> None:
    for limit in (-1, MAX_LIMIT + 1, True, "12"):
        limits: Any = {Resource.VMS: limit}
        found = pointers(lambda: quotas.update(project, actor=ALICE, limits=limits))  # noqa: B023
        assert {where for where, _ in found} == {"#/vms/limit"}, limit
    quotas.update(project, actor=ALICE, limits={Resource.VMS: MAX_LIMIT})


def test_labels_are_told_apart_by_their_keys() -> None:
    assert set(wrong_labels({"a": "b", "c d": "e", "f": "g h"})) == {"c d", "f"}


def test_a_token_cannot_end_before_it_begins(project: Project) -> None:
    user = UserFactory.create(is_superuser=True, is_staff=True)
    project.memberships.create(user=user, role="admin")
    found = pointers(
        lambda: tokens.create(
            user=user,
            project=project,
            role=Role.READER,
            name="key",
            actor=ALICE,
            expires_at=user.date_joined,
        )
    )
    assert found == [("#/expires_at", "past")]
