"""The enumerations of the OpenAPI file that have a name."""

from collections.abc import Iterator
from typing import Any

from drf_spectacular.plumbing import deep_import_string
from drf_spectacular.settings import spectacular_settings

Schema = dict[str, Any]


def name_in_parameters(
    result: Schema, generator: Any, request: Any, public: bool
) -> Schema:
    """Refer to the enumerations that parameters have in common; drf-spectacular calls it.

    What is sent is closed: `enum`. What is answered is open, and says so in its body:
    clients whose generator made a type of the values they knew would fail at new ones.
    """
    schemas: dict[str, Schema] = result["components"]["schemas"]
    overrides: dict[str, str] = spectacular_settings.ENUM_NAME_OVERRIDES
    for name, path in overrides.items():
        values = [value for value, _ in deep_import_string(path)]
        for parameter in _parameters(result):
            if set(parameter["schema"].get("items", {}).get("enum", ())) == set(values):
                schemas[name] = {"enum": values, "type": "string"}
                reference = {"$ref": f"#/components/schemas/{name}"}
                parameter["schema"]["items"] = reference
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result


def _parameters(result: Schema) -> Iterator[Schema]:
    for methods in result["paths"].values():
        for operation in methods.values():
            yield from operation.get("parameters", ())
