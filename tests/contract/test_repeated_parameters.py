"""`status=A&status=B` is `status=A,B`: generated clients send the one, people the other."""

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml

from compute.models import Project
from tests.support.api import Api, errors
from tests.support.deployed import ROOT
from tests.support.factories import (
    ProjectFactory,
    SecurityGroupFactory,
    VMFactory,
    WebhookFactory,
)

SCHEMA: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())

#: Every parameter of the API that takes several values, with the path of its list.
LISTS = [
    (path.removeprefix("/api/v1"), parameter)
    for path, methods in SCHEMA["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", ())
    if parameter["schema"].get("type") == "array"
    # Streams have no pages, and are read by tests/realtime.
    and path != "/api/v1/events/stream"
]


#: Whose lists have a path below theirs.
OWNERS: dict[str, Any] = {
    "security-groups": SecurityGroupFactory,
    "webhooks": WebhookFactory,
}


@pytest.fixture
def api(project: Project) -> Api:
    return Api()


def two_values(parameter: dict[str, Any]) -> list[str]:
    items = parameter["schema"]["items"]
    if "$ref" in items:
        items = SCHEMA["components"]["schemas"][items["$ref"].rpartition("/")[2]]
    if "enum" in items:
        # Of an ordering, not the two ways of one field.
        return [items["enum"][0], items["enum"][-1]]
    if parameter["name"] == "subject":
        return [f"vms/{uuid.uuid4()}", f"networks/{uuid.uuid4()}"]
    if items.get("format") == "uuid":
        return [str(uuid.uuid4()), str(uuid.uuid4())]
    return ["web-1", "db-1"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    LISTS,
    ids=[f"{path}?{parameter['name']}" for path, parameter in LISTS],
)
def test_every_list_takes_both(
    api: Api, project: Project, path: str, parameter: dict[str, Any]
) -> None:
    if "{id}" in path:
        if path.startswith("/projects"):
            owner: Any = project
        else:
            owner = OWNERS.get(path.split("/")[1], VMFactory).create()
        path = path.format(id=owner.pk)
    name, values = parameter["name"], two_values(parameter)
    if values[0] == values[1].removeprefix("-"):
        values = values[:1]
    repeated = api.get(f"{path}?{urlencode({name: values}, doseq=True)}")
    commas = api.get(f"{path}?{urlencode({name: ','.join(values)})}")
    assert repeated.status_code == commas.status_code == 200, repeated.content
    assert repeated.json() == commas.json()


@pytest.fixture
def names(api: Api) -> list[str]:
    for name, status in (("a", "ACTIVE"), ("b", "SHUTOFF"), ("c", "ERROR")):
        VMFactory.create(name=name, status=status)
    return ["a", "b", "c"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("status=ACTIVE&status=SHUTOFF", ["a", "b"]),
        ("status=ACTIVE&status=SHUTOFF,ERROR", ["a", "b", "c"]),
        ("name=a&name=c&status=ERROR&status=ACTIVE", ["a", "c"]),
    ],
)
def test_all_of_them_count(
    api: Api, names: list[str], query: str, found: list[str]
) -> None:
    assert api.names(f"/vms?ordering=name&{query}") == found


def test_orderings_apply_in_their_order(api: Api, names: list[str]) -> None:
    VMFactory.create(name="a", status="ERROR")
    rows = api.get("/vms?ordering=-name&ordering=created_at").json()["results"]
    assert [row["name"] for row in rows] == ["c", "b", "a", "a"]
    assert [row["status"] for row in rows[2:]] == ["ACTIVE", "ERROR"]


@pytest.mark.parametrize("walk", ["page=1", "cursor="])
def test_the_next_page_has_them_all(api: Api, names: list[str], walk: str) -> None:
    query = f"status=ACTIVE&status=ERROR&ordering=name&per_page=1&{walk}"
    first = api.get(f"/vms?{query}").json()
    assert [row["name"] for row in first["results"]] == ["a"]
    second = api.get(first["next"].partition("/api/v1")[2]).json()
    assert [row["name"] for row in second["results"]] == ["c"]


def test_a_cursor_goes_on_in_either_way(api: Api, names: list[str]) -> None:
    first = api.get("/vms?status=ACTIVE&status=ERROR&per_page=1&cursor=").json()
    cursor = first["next"].partition("cursor=")[2].partition("&")[0]
    second = api.get(f"/vms?status=ACTIVE,ERROR&per_page=1&cursor={cursor}").json()
    assert [row["name"] for row in second["results"]] == ["a"]
    fewer = api.get(f"/vms?status=ACTIVE&per_page=1&cursor={cursor}")
    assert fewer.json()["code"] == "cursor-invalid"


def test_a_list_of_two_projects_has_no_one_place_in_the_events(
    api: Api, project: Project
) -> None:
    other = ProjectFactory.create()
    one = api.get(f"/vms?project={project.pk}")
    assert "Event-Cursor" in one.headers
    two = api.get(f"/vms?project={project.pk}&project={other.pk}")
    assert "Event-Cursor" not in two.headers


@pytest.mark.parametrize(
    ("query", "refused"),
    [
        ("status=ACTIVE&status=", ("status", "blank")),
        ("name=a&name=" + "&name=".join("b" * 100), ("name", "max_length")),
        ("ordering=name&ordering=name", ("ordering", "repeated")),
        ("search=a&search=b", ("search", "repeated")),
        ("page=1&page=2", ("page", "repeated")),
    ],
)
def test_what_is_wrong_with_one_of_them_is_told(
    api: Api, query: str, refused: tuple[str, str]
) -> None:
    assert errors(api.get(f"/vms?{query}")) == [refused]
