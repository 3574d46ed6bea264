"""The enumerations of the OpenAPI file that have a name."""

from typing import Any

Schema = dict[str, Any]


def name_in_parameters(
    result: Schema, generator: Any, request: Any, public: bool
) -> Schema:
    """Refer to the enumerations that parameters have in common; drf-spectacular calls it.

    What is sent is closed: `enum`. What is answered is open, and says so in its body:
    clients whose generator made a type of the values they knew would fail at new ones.
    """
    schemas: dict[str, Schema] = result["components"]["schemas"]
    for methods in result["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", ()):
                items = parameter["schema"].get("items", {})
                for name, values in items.get("x-component", {}).items():
                    schemas[name] = {"enum": values, "type": "string"}
                    reference = {"$ref": f"#/components/schemas/{name}"}
                    parameter["schema"]["items"] = reference
    result["components"]["schemas"] = dict(sorted(schemas.items()))
    return result
