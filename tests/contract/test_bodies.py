"""No body is coerced: what the schema does not allow is refused, field by field."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from compute.api import auth, projects, urls, vms
from compute.api.http import fields
from compute.api.http.fields import RequestBody
from compute.api.http.problems import flatten
from compute.models import Project, Quota
from tests.support.api import Api, errors

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text())
COMPONENTS: dict[str, Any] = SCHEMA["components"]["schemas"]
EXAMPLES: dict[str, Any] = SCHEMA["components"]["examples"]

ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"

#: One of each type of JSON, and what a lenient reader would make a value of.
SAMPLES: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 12, 1.5, 1e300, 2**63),
    *("", "x", "0", "12", " 12 ", "1.0", "true", "yes", "on", "null", "None"),
    *([], ["x"], [12], {}, {"a": 1}, {"a": None}, {"limit": " 12 "}, {"limit": True}),
    # Times: without an offset, without a time, as a number, as Python also reads them.
    *("2099-11-23T10:00:00", "2099-11-23", "2099-11-23 10:00Z", 4076560000),
    *("20991123T100000Z", "2099-W47-1T10:00:00Z", "2099-11-23T25:00:00Z"),
    # UUIDs: without dashes, as a URN, in braces, as a number.
    ID.replace("-", ""),
    *(f"urn:uuid:{ID}", f"{{{ID}}}", f" {ID}", int(ID.replace("-", ""), 16)),
    # Choices in another spelling.
    *("READER", " reader", "hard", "Hard"),
)


def kinds(base: type[RequestBody] = RequestBody) -> Iterator[type[RequestBody]]:
    """Yield every body there is, by the classes."""
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


BODIES = {kind.__name__: kind for kind in kinds() if kind is not fields.NoBody}


def accepted() -> set[str]:
    """Return the names of all bodies that an operation of the schema takes."""
    contents = [
        operation["requestBody"]["content"]["application/json"]["schema"]
        for methods in SCHEMA["paths"].values()
        for operation in methods.values()
        if "requestBody" in operation
    ]
    return {content["$ref"].rpartition("/")[2] for content in contents}


def test_every_body_of_the_schema_is_one_of_ours() -> None:
    assert {auth.LogIn, projects.QuotaUpdate, vms.VMCreate} <= {*BODIES.values()}
    assert accepted() <= set(BODIES)
    assert urls.urlpatterns  # which has imported all of them


def _allows(schema: dict[str, Any]) -> Callable[[Any], bool]:
    """Return what says whether a value is valid."""
    return jsonschema_rs.Draft202012Validator(
        {**schema, "components": {"schemas": COMPONENTS}}, validate_formats=True
    ).is_valid


def _faults(kind: type[RequestBody], body: dict[str, Any]) -> list[str]:
    """Return the pointers at what a body has wrong."""
    serializer = kind(data=body)
    serializer.is_valid()
    return [row["pointer"] for row in flatten(serializer.errors)]


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(accepted()))
def test_every_field_refuses_what_its_schema_does_not_allow(name: str) -> None:
    kind, valid = BODIES[name], EXAMPLES[name]["value"]
    assert _faults(kind, valid) == []
    taken, untold = [], []
    for field, schema in COMPONENTS[name]["properties"].items():
        allows = _allows(schema)
        for value in SAMPLES:
            told = [
                pointer
                for pointer in _faults(kind, {**valid, field: value})
                if pointer.startswith(f"#/{field}")
            ]
            if allows(value):
                untold += [f"{field}={value!r} is refused"] if told else []
            elif not told:
                taken.append(f"{field}={value!r} is taken")
    assert taken == []
    assert untold == []


@pytest.mark.once
@pytest.mark.parametrize("name", sorted(accepted()))
def test_a_body_is_an_object(name: str) -> None:
    for value in ([], ["x"], "x", 12, True):
        serializer = BODIES[name](data=value)
        assert not serializer.is_valid(), value


@pytest.mark.parametrize("limit", [" 12 ", "12", True, 1.5, [], {}, -1, 2**53])
def test_a_quota_is_a_whole_number(api: Api, project: Project, limit: Any) -> None:
    answer = api.patch(f"/projects/{project.pk}/quota", {"vms": {"limit": limit}})
    assert [where for where, _ in errors(answer)] == ["#/vms/limit"]
    assert Quota.objects.get(project=project, resource="vms").limit is None


def test_json_does_not_tell_12_from_12_0(api: Api, project: Project) -> None:
    path = f"/projects/{project.pk}/quota"
    answer = api.patch(path, {"vms": {"limit": 12.0}})
    assert answer.json()["vms"]["limit"] == 12
    assert b'"limit":12,' in answer.content


@pytest.mark.parametrize("time", ["2099-11-23T10:00:00", "2099-11-23", 4076560000])
def test_a_token_expires_at_a_time_with_an_offset(api: Api, time: Any) -> None:
    answer = api.post("/api-tokens", {"name": "key", "expires_at": time})
    assert errors(answer) == [("#/expires_at", "invalid")]
    assert answer.json()["detail"] == "Must be a time like 2026-11-23T10:00:00Z."
    there = {"name": "key", "expires_at": "2099-11-23T10:00:00.5+02:00"}
    made = api.post("/api-tokens", there)
    assert made.json()["expires_at"] == "2099-11-23T08:00:00.500000Z"


def test_a_wrong_choice_is_told_the_right_ones(api: Api) -> None:
    answer = api.post("/api-tokens", {"name": "key", "role": "owner"})
    assert answer.json()["detail"] == "Must be one of reader, member, admin."
