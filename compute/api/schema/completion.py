"""What all operations of the OpenAPI file share: components, examples and tags."""

from collections.abc import Collection, Iterator
from typing import Any

from compute.api.http.filters import MAX_VALUES
from compute.api.http.problem_help import example
from compute.api.http.problems import CONTENT_TYPE, registry
from compute.api.schema import headers
from compute.api.schema.deliveries import DELIVERIES
from compute.api.schema.examples import page
from compute.api.schema.samples import samples
from compute.api.urls import NOUNS
from compute.limits import MAX_NAME, NAME
from compute.models.kinds import TARGETS

Operation = dict[str, Any]

PROBLEM = {
    "type": "object",
    "description": "RFC 9457. New codes and new members are not a breaking change.",
    "required": ["type", "title", "status", "code", "detail", "retryable"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "code": {"type": "string", "description": "The last part of `type`."},
        "detail": {"type": "string"},
        "retryable": {
            "type": "boolean",
            "description": "Whether the same request can succeed later.",
        },
        "instance": {"type": "string", "format": "uri-reference"},
        "request_id": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Of `validation-error`: what is not valid.",
            "items": {
                "type": "object",
                "required": ["code", "detail"],
                "properties": {
                    "pointer": {
                        "type": "string",
                        "description": "JSON pointer into the body.",
                    },
                    "parameter": {"type": "string"},
                    "header": {"type": "string"},
                    "code": {"type": "string"},
                    "detail": {"type": "string"},
                },
            },
        },
        "more_errors": {
            "type": "integer",
            "description": "How many more there are than `errors` shows.",
        },
        "header": {
            "type": "string",
            "description": (
                "Of `header-too-large`: the header that is too large, if it is a single"
                " one."
            ),
        },
        "allowed_actions": {"type": "array", "items": {"type": "string"}},
        "vm_status": {"type": "string"},
        "operation_id": {"type": "string", "format": "uuid"},
        "version": {"type": "integer"},
        "resource": {"type": "string"},
        "limit": {"type": "integer"},
        "used": {"type": "integer"},
        "requested": {"type": "integer"},
        "violated_policies": {"type": "array", "items": {"type": "string"}},
        **{kind: {"type": "string", "format": "uuid"} for kind in TARGETS},
        "openstack": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}

NAME_SCHEMA = {
    "type": "string",
    "description": (
        "What Nova and Glance accept as a name: no invisible characters, none "
        "beyond U+FFFF (most emoji), and no space at either end."
    ),
    "minLength": 1,
    "maxLength": MAX_NAME,
    "pattern": NAME.replace(r"\A", "^").replace(r"\Z", "$"),
    "example": "web-1",
}


def complete(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add what all operations share; drf-spectacular calls it with the whole schema."""
    components = result.setdefault("components", {})
    examples = _examples(result)
    components["schemas"] |= {"Problem": PROBLEM, "Name": NAME_SCHEMA}
    components["headers"] = headers.components()
    components["responses"] = _problem_responses(result)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token (`osl_…`), or the access token of a login.",
        }
    }
    # In the order of the URL conf; those of the settings are of no noun.
    result["tags"] = [
        *(
            {"name": prefix, "description": viewset.about}
            for prefix, viewset, _ in NOUNS
        ),
        *result["tags"],
    ]
    components["examples"] = {
        name: {"value": value} for name, value in examples.items()
    }
    result["webhooks"] = DELIVERIES
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                if parameter["schema"].get("type") == "array":
                    _take_several(parameter)
            for carrier in _carriers(operation):
                _add_examples(carrier, examples)
            operation["x-codeSamples"] = samples(path, method, operation, examples)
    return result


def _examples(result: dict[str, Any]) -> dict[str, Any]:
    """Take the examples out of the components; return those of what has a content."""
    schemas: dict[str, Any] = result["components"]["schemas"]
    known = {name: schema.pop("example", None) for name, schema in schemas.items()}
    examples: dict[str, Any] = {}
    for path, operation in _operations(result):
        for carrier in _carriers(operation):
            for content in carrier.get("content", {}).values():
                name = _name_of(content["schema"])
                rows = schemas[name]["properties"].get("results")
                if rows is None:
                    examples[name] = known[name]
                elif name not in examples:
                    numbered = any(p["name"] == "page" for p in operation["parameters"])
                    row = known[_name_of(rows["items"])]
                    examples[name] = page(row, path, numbered=numbered)
    named = _named_problems(result)
    problems = [p for p in registry().values() if f"Problem{p.status}" in named]
    return {**examples, **{p.code: example(p.code) for p in problems}}


def _carriers(operation: Operation) -> list[dict[str, Any]]:
    """Return what carries a document, which streams do not."""
    carriers = [operation.get("requestBody", {}), *operation["responses"].values()]
    return [c for c in carriers if "text/event-stream" not in c.get("content", {})]


def _name_of(reference: dict[str, Any]) -> str:
    return str(reference["$ref"].rpartition("/")[2])


def _take_several(parameter: dict[str, Any]) -> None:
    parameter["schema"] |= {"minItems": 1, "maxItems": MAX_VALUES}
    # As generated clients send it, whatever this says; and commas do as well.
    parameter |= {"style": "form", "explode": True}
    about = parameter.get("description", "").strip()
    parameter["description"] = (
        f"{about} Several: repeated, or separated by commas.".lstrip()
    )


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, Operation]]:
    for path, methods in result["paths"].items():
        for operation in methods.values():
            yield path, operation


def _named_problems(result: dict[str, Any]) -> set[str]:
    """Return the responses that operations refer to: what nobody does is no component."""
    return {
        _name_of(response)
        for _, operation in _operations(result)
        for response in operation["responses"].values()
        if "$ref" in response
    }


def _problem_responses(result: dict[str, Any]) -> dict[str, Any]:
    named = _named_problems(result)
    by_status: dict[int, list[str]] = {}
    for problem in registry().values():
        by_status.setdefault(problem.status, []).append(problem.code)
    return {
        f"Problem{status}": {
            "description": " or ".join(f"`{code}`" for code in sorted(codes)),
            "headers": headers.refs("X-Request-ID", *_extra_headers(status)),
            "content": {
                CONTENT_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        code: {"$ref": f"#/components/examples/{code}"}
                        for code in sorted(codes)
                    },
                }
            },
        }
        for status, codes in by_status.items()
        if f"Problem{status}" in named
    }


def _extra_headers(status: int) -> list[str]:
    extra = {
        401: ["WWW-Authenticate"],
        405: ["Allow"],
        409: ["Retry-After"],
        429: ["Retry-After"],
        503: ["Retry-After"],
        504: ["Retry-After"],
    }
    return [*headers.LIMITS, *extra.get(status, ())]


def _add_examples(carrier: dict[str, Any], examples: Collection[str]) -> None:
    for content in carrier.get("content", {}).values():
        name = _name_of(content["schema"])
        if name in examples:
            content["examples"] = {
                name: {"$ref": f"#/components/examples/{name}"},
            }
