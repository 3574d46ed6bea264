"""Which enumerations of the OpenAPI file are open, and which are closed."""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_COMPONENTS = "#/components/schemas/"
_NULL = "NullEnum"


def open_in_answers(
    result: Schema, generator: Any, request: Any, public: bool
) -> Schema:
    """Describe what is sent as closed enumerations, and what is answered as open ones.

    Answers get new values without notice, and clients whose generator made a type of
    the values they knew would fail to read them. drf-spectacular calls it.
    """
    schemas: dict[str, Schema] = result["components"]["schemas"]
    enums = {
        name: schema["enum"] for name, schema in schemas.items() if "enum" in schema
    }
    for schema in schemas.values():
        # Bodies that are sent are closed in every way.
        if schema.get("additionalProperties") is not False:
            for field in schema.get("properties", {}).values():
                _open(field, enums)
    for parameter in _parameters(result):
        items = parameter["schema"].get("items", {})
        for name, values in enums.items():
            if set(items.get("enum", ())) == set(values):
                parameter["schema"]["items"] = {"$ref": _COMPONENTS + name}
    used = set(_references(result))
    for name in {*enums, _NULL} - used:
        schemas.pop(name, None)
    return result


def _open(field: Schema, enums: dict[str, list[str]]) -> None:
    named = list(_references(field))
    values = [value for name in named for value in enums.get(name, ())]
    if not values:
        return
    listed = ", ".join(f"`{value}`" for value in values)
    about = field.get("description", "")
    field.clear()
    field |= {
        "type": ["string", "null"] if _NULL in named else "string",
        "x-extensible-enum": values,
        "description": f"{about} {listed}; more may be added.".lstrip(),
    }


def _parameters(result: Schema) -> Iterator[Schema]:
    for methods in result["paths"].values():
        for operation in methods.values():
            yield from operation.get("parameters", ())


def _references(part: Any) -> Iterator[str]:
    """Yield the names of the components that a part of the file refers to."""
    if isinstance(part, dict):
        reference = part.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(_COMPONENTS)
        for value in part.values():
            yield from _references(value)
    elif isinstance(part, list):
        for value in part:
            yield from _references(value)
