"""What every operation of the schema has: problems, headers, examples and links."""

from collections.abc import Collection, Iterator
from typing import Any

from compute.api.http.filters import MAX_VALUES
from compute.api.http.problems import CONTENT_TYPE, registry
from compute.api.schema.examples import PROBLEMS, page
from compute.limits import MAX_NAME, NAME

Operation = dict[str, Any]

HEADERS = {
    "X-Request-ID": (
        "Finds this request in every log, also in OpenStack's.",
        "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "ETag": ("The version, for If-Match and If-None-Match.", '"4"'),
    "Location": (
        "The new resource.",
        "https://host/api/v1/vms/8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "Operation-Location": (
        "The operation that does the work.",
        "https://host/api/v1/operations/41aa0c9d-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    ),
    "Retry-After": ("Seconds until it is worth asking again.", "2"),
    "Preference-Applied": ("The preference that was honoured.", "wait=20"),
    "Idempotent-Replayed": (
        "`true` when the Idempotency-Key was sent before.",
        "true",
    ),
    "Link": (
        "The pages around this one, as in the body.",
        '<https://host/api/v1/vms?page=2>; rel="next"',
    ),
    "Event-Cursor": (
        "The newest event before this list was read.",
        "000000000184",
    ),
    "RateLimit-Policy": (
        "How many requests (q) there may be in so many seconds (w), by kind.",
        '"default";q=120;w=60, "poll";q=600;w=60, "auth";q=10;w=60',
    ),
    "RateLimit": (
        "The policy that counted this request: r are left for t seconds.",
        '"default";r=97;t=31',
    ),
    "WWW-Authenticate": (
        "How to authenticate (RFC 6750).",
        'Bearer realm="api", error="invalid_token"',
    ),
    "Allow": ("The methods of this URL.", "GET, HEAD, POST"),
}

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
            "description": "Of `header-too-large`: the one that is, if it is one.",
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
        "vm": {"type": "string", "format": "uuid"},
        "snapshot": {"type": "string", "format": "uuid"},
        "openstack": {"type": "object", "additionalProperties": True},
    },
    "additionalProperties": True,
}

NAME_SCHEMA = {
    "type": "string",
    "description": "What Nova and Glance take as a name: no character that is invisible "
    "or beyond U+FFFF, as most emoji are, and no space at either end.",
    "minLength": 1,
    "maxLength": MAX_NAME,
    "pattern": NAME.replace(r"\A", "^").replace(r"\Z", "$"),
    "example": "web-1",
}

#: On every answer of the API, but for /health.
LIMITS = ("RateLimit-Policy", "RateLimit")

#: What follows from a VM and from a snapshot, once there is one.
_VM_LINKS = {
    "vms_retrieve": {"id": "$response.body#/id"},
    "vms_update": {"id": "$response.body#/id"},
    "vms_delete": {"id": "$response.body#/id"},
    "vms_stop": {"id": "$response.body#/id"},
    "vms_start": {"id": "$response.body#/id"},
    "vms_snapshots_create": {"id": "$response.body#/id"},
    "vms_snapshots_list": {"id": "$response.body#/id"},
    "operations_retrieve": {"id": "$response.body#/operation_id"},
}
LINKS = {
    "vms_create": _VM_LINKS,
    "vms_stop": {
        "vms_start": {"id": "$response.body#/id"},
        "vms_resize": {"id": "$response.body#/id"},
    },
    "vms_start": {
        name: {"id": "$response.body#/id"}
        for name in ("vms_reboot", "vms_pause", "vms_suspend", "vms_shelve")
    },
    "vms_pause": {"vms_unpause": {"id": "$response.body#/id"}},
    "vms_suspend": {"vms_resume": {"id": "$response.body#/id"}},
    "vms_shelve": {"vms_unshelve": {"id": "$response.body#/id"}},
    "vms_snapshots_create": {
        "snapshots_retrieve": {"id": "$response.body#/id"},
        "snapshots_update": {"id": "$response.body#/id"},
        "snapshots_delete": {"id": "$response.body#/id"},
        "operations_retrieve": {"id": "$response.body#/operation_id"},
        "operations_cancel": {"id": "$response.body#/operation_id"},
    },
}


def complete(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add what all operations share; drf-spectacular calls it with the whole schema."""
    components = result.setdefault("components", {})
    examples = _examples(result)
    components["schemas"] |= {"Problem": PROBLEM, "Name": NAME_SCHEMA}
    components["headers"] = {
        name: {"description": text, "schema": {"type": "string"}, "example": example}
        for name, (text, example) in HEADERS.items()
    }
    components["responses"] = _problem_responses()
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token (`osl_…`), or the access token of a login.",
        }
    }
    components["examples"] = {
        name: {"value": value} for name, value in examples.items()
    }
    for path, method, operation in _operations(result):
        # Where nobody has to authenticate it says so.
        operation.setdefault("security", [])
        for parameter in operation.get("parameters", ()):
            if parameter["schema"].get("type") == "array":
                _take_several(parameter)
        _add_problems(operation, path, method)
        for status, response in operation["responses"].items():
            if "$ref" not in response:
                _add_headers(response, operation, status, path=path, method=method)
                _add_examples(response, examples)
                _add_links(response, operation)
        _add_examples(operation.get("requestBody", {}), examples)
    return result


def _examples(result: dict[str, Any]) -> dict[str, Any]:
    """Take the examples out of the components; return those of what has a content."""
    schemas: dict[str, Any] = result["components"]["schemas"]
    known = {name: schema.pop("example", None) for name, schema in schemas.items()}
    examples: dict[str, Any] = {}
    for path, _, operation in _operations(result):
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
    return {**examples, **PROBLEMS}


def _carriers(operation: Operation) -> list[dict[str, Any]]:
    return [operation.get("requestBody", {}), *operation["responses"].values()]


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


def _operations(result: dict[str, Any]) -> Iterator[tuple[str, str, Operation]]:
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def _problem_responses() -> dict[str, Any]:
    by_status: dict[int, list[str]] = {}
    for problem in registry().values():
        by_status.setdefault(problem.status, []).append(problem.code)
    return {
        f"Problem{status}": {
            "description": " or ".join(f"`{code}`" for code in sorted(codes)),
            "headers": _header_refs("X-Request-ID", *_extra_headers(status)),
            "content": {
                CONTENT_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {
                        code: {"$ref": f"#/components/examples/{code}"}
                        for code in sorted(codes)
                        if code in PROBLEMS
                    },
                }
            },
        }
        for status, codes in by_status.items()
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
    return [*LIMITS, *extra.get(status, ())]


def _header_refs(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _add_problems(operation: Operation, path: str, method: str) -> None:
    for status in sorted(_problem_statuses(operation, path, method)):
        operation["responses"][str(status)] = {
            "$ref": f"#/components/responses/Problem{status}"
        }
    if method == "get" and _has_header(operation, "If-None-Match"):
        operation["responses"]["304"] = {"description": "It is still what you have."}


def _problem_statuses(operation: Operation, path: str, method: str) -> set[int]:
    writes = method != "get"
    guarded = not path.startswith("/health")
    secured = bool(operation.get("security"))
    asks_cloud = path.endswith("/console-log")
    return {
        *(400, 405, 406, 414, 431, 500),
        # Of a request that is sent again: what the first one made is gone.
        *((404,) if "{" in path or _has_header(operation, "Idempotency-Key") else ()),
        *((429, 503) if guarded else ()),
        # A login is told so when its password is wrong.
        *((401,) if secured or "/auth/" in path else ()),
        *((403,) if secured else ()),
        # Any write can carry a body, be it only an empty object.
        *((403, 408, 409, 411, 413, 415) if writes else ()),
        *((422,) if _has_header(operation, "Idempotency-Key") else ()),
        *((412,) if _has_header(operation, "If-Match") else ()),
        # What a call that waits for an operation, or asks the cloud, may hear from it.
        *((502, 504) if writes and _has_header(operation, "Prefer") else ()),
        *((409, 502, 504) if asks_cloud else ()),
        *((503,) if path.endswith("/ready") else ()),
    }


def _has_header(operation: Operation, name: str) -> bool:
    return any(p["name"] == name for p in operation.get("parameters", ()))


def _add_headers(
    response: dict[str, Any],
    operation: Operation,
    status: str,
    *,
    path: str,
    method: str,
) -> None:
    name = operation["operationId"]
    lists, writes = name.endswith("_list"), method != "get"
    waits = _has_header(operation, "Prefer")
    tagged = writes or _has_header(operation, "If-None-Match")
    # Header -> whether this answer has it.
    found = {
        "X-Request-ID": True,
        **dict.fromkeys(LIMITS, "429" in operation["responses"]),
        "Link": lists,
        "Event-Cursor": lists,
        "ETag": not lists and tagged and "content" in response and "/auth/" not in path,
        "Operation-Location": writes and waits,
        "Preference-Applied": writes and waits,
        "Idempotent-Replayed": _has_header(operation, "Idempotency-Key"),
        "Location": name.endswith("_create"),
        "Retry-After": status == "202" or name == "operations_retrieve",
    }
    response["headers"] = _header_refs(*(h for h, there in found.items() if there))


def _add_examples(carrier: dict[str, Any], examples: Collection[str]) -> None:
    for content in carrier.get("content", {}).values():
        name = _name_of(content["schema"])
        if name in examples:
            content["examples"] = {
                name: {"$ref": f"#/components/examples/{name}"},
            }


def _add_links(response: dict[str, Any], operation: Operation) -> None:
    links = LINKS.get(operation["operationId"])
    if links and "content" in response:
        response["links"] = {
            target: {"operationId": target, "parameters": parameters}
            for target, parameters in links.items()
        }
