"""The OpenAPI file, read as tools read it."""

import hashlib
import tomllib
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
import yaml
from drf_spectacular.renderers import OpenApiYamlRenderer
from ruamel.yaml import YAML

import compute.api.schema.autoschema  # noqa: F401  # teaches the dumper
from tests.support.deployed import ROOT

pytestmark = pytest.mark.once

TEXT = (ROOT / "openapi.yaml").read_text()
SCHEMA: dict[str, Any] = yaml.safe_load(TEXT)
SCHEMAS: dict[str, Any] = SCHEMA["components"]["schemas"]


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for methods in SCHEMA["paths"].values():
        for operation in methods.values():
            yield operation["operationId"], operation


def parameters() -> Iterator[tuple[str, dict[str, Any]]]:
    for name, operation in operations():
        for parameter in operation.get("parameters", ()):
            yield name, parameter


def yaml_1_1(text: str) -> Any:
    return yaml.safe_load(text)


def yaml_1_2(text: str) -> Any:
    return YAML(typ="safe").load(StringIO(text))


def test_parsers_of_yaml_1_1_and_1_2_read_the_same() -> None:
    assert yaml_1_2(TEXT) == yaml_1_1(TEXT)


@pytest.mark.parametrize(
    "text",
    [
        *("000000000184", "184", "+1", "-0", "0o14", "014", "0x1F", "0b1", "1_000"),
        *("1e5", "1.", ".5", "-.5e-3", "1.5E+3", ".inf", ".nan", "12:30", "1:2:3"),
        *("true", "no", "y", "null", "~", "2026-11-23", "2026-11-23T10:00:00Z"),
        *("-", "1e", "e5", "0o9", "0xg", "v1.0", "1.2.3", "10.10.0.12", "=", "<<"),
    ],
)
def test_a_string_stays_a_string_in_either_yaml(text: str) -> None:
    written = OpenApiYamlRenderer().render({"a": text}, None, {}).decode()  # type: ignore[no-untyped-call]  # drf-spectacular is typed in part
    assert yaml_1_1(written) == yaml_1_2(written) == {"a": text}


def test_numbers_stay_numbers() -> None:
    data = {
        "whole": 184,
        "zero": 0,
        "less": -7,
        "part": 0.25,
        "none": None,
        "yes": True,
    }
    written = OpenApiYamlRenderer().render(data, None, {}).decode()  # type: ignore[no-untyped-call]  # as above
    assert yaml_1_1(written) == yaml_1_2(written) == data


def test_servers_and_security_are_told() -> None:
    assert SCHEMA["servers"][0]["url"] == "/"
    for name, operation in operations():
        assert "security" in operation, name
    open_to_all = {
        name for name, operation in operations() if not operation["security"]
    }
    assert {"auth_tokens_obtain", "health"} <= open_to_all
    assert "auth_me" not in open_to_all


def test_no_page_is_sent_that_nobody_asked_for() -> None:
    # A generated client sends defaults, and `page` excludes `cursor`.
    pages = [parameter for _, parameter in parameters() if parameter["name"] == "page"]
    assert pages
    assert not any("default" in parameter["schema"] for parameter in pages)


def test_several_values_are_sent_as_generated_clients_do() -> None:
    lists = [
        (name, p) for name, p in parameters() if p["schema"].get("type") == "array"
    ]
    assert {"id", "status", "ordering"} <= {parameter["name"] for _, parameter in lists}
    for name, parameter in lists:
        assert (parameter["style"], parameter["explode"]) == ("form", True), name
        assert "commas" in parameter["description"], name


def enums(part: Any, key: str) -> Iterator[Any]:
    if isinstance(part, dict):
        if key in part:
            yield part[key]
        for value in part.values():
            yield from enums(value, key)
    elif isinstance(part, list):
        for value in part:
            yield from enums(value, key)


def references(part: Any) -> set[str]:
    return {ref.rpartition("/")[2] for ref in enums(part, "$ref")}


def test_enumerations_are_open_in_answers_and_closed_in_what_is_sent() -> None:
    closed = {name for name, schema in SCHEMAS.items() if "enum" in schema}
    sent = {
        name for name, s in SCHEMAS.items() if s.get("additionalProperties") is False
    }
    assert {"VMStatus", "Role", "RebootType"} <= closed
    for name, schema in SCHEMAS.items():
        if name in sent:
            assert not list(enums(schema, "x-extensible-enum")), name
        elif name not in closed:
            assert not list(enums(schema, "enum")), name
            assert not references(schema) & closed, name
    status = SCHEMAS["VM"]["properties"]["status"]
    assert status["x-extensible-enum"] == SCHEMAS["VMStatus"]["enum"]
    assert status["type"] == "string"
    assert "more may be added" in status["description"]
    assert SCHEMAS["Project"]["properties"]["role"]["type"] == ["string", "null"]
    assert "x-extensible-enum" in SCHEMA["info"]["description"]
    filters = [p for _, p in parameters() if p["name"] == "status"]
    assert filters
    assert all("$ref" in parameter["schema"]["items"] for parameter in filters)


def test_every_component_is_used() -> None:
    assert set(SCHEMAS) <= references(SCHEMA)


def test_the_license_is_the_one_that_is_named() -> None:
    # The digest of https://www.apache.org/licenses/LICENSE-2.0.txt.
    text = (ROOT / "LICENSE").read_bytes()
    # pragma: allowlist nextline secret
    apache = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert hashlib.sha256(text).hexdigest() == apache
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == SCHEMA["info"]["license"]["identifier"] == "Apache-2.0"
