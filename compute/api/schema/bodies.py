"""The components of the OpenAPI file that describe what is answered."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema

from compute.bodies.body import Body, Each, Field, Many


class BodyExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # drf-spectacular is typed in part
    """Lets drf-spectacular take a `Body` where it takes a serializer."""

    target_class = Body

    def get_name(self, auto_schema: AutoSchema, direction: str) -> str:
        name: str = self.target.name
        return name

    def map_serializer(self, auto_schema: AutoSchema, direction: Any) -> dict[str, Any]:
        body: Body = self.target
        about = {"description": body.about} if body.about else {}
        return {
            "type": "object",
            **about,
            "properties": {
                field.name: _described(field, auto_schema) for field in body.fields
            },
            "required": sorted(field.name for field in body.fields if field.required),
            # `completion` gives it a place of its own.
            "example": body.example,
        }


def _described(field: Field, auto_schema: AutoSchema) -> dict[str, Any]:
    schema = _typed(field.type, auto_schema)
    if field.null:
        schema = _or_null(schema)
    about = field.about
    if words := schema.get("x-extensible-enum"):
        listed = ", ".join(f"`{word}`" for word in words)
        about = f"{about} {listed}; more may be added.".lstrip()
    return {**schema, "description": about} if about else schema


def _typed(type: Any, auto_schema: AutoSchema) -> dict[str, Any]:
    match type:
        case Many(of):
            return {"type": "array", "items": _typed(of, auto_schema)}
        case Each(of):
            return {"type": "object", "additionalProperties": _typed(of, auto_schema)}
        case Body():
            ref: dict[str, Any] = auto_schema.resolve_serializer(type, "response").ref  # type: ignore[arg-type]  # by the extension above
            return ref
        case _:
            return dict(type)


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return {"oneOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}
