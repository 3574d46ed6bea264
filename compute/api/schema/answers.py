"""What an operation of the OpenAPI file can be answered with: problems, headers, links."""

from typing import Any

from compute.api.http import idempotency
from compute.api.http.guarded import GuardedView
from compute.api.http.viewset import ResourceViewSet
from compute.api.schema import headers

Operation = dict[str, Any]


def complete(operation: Operation, view: Any, *, path: str, method: str) -> None:
    """Add what follows from the declarations of its view."""
    resource = view if isinstance(view, ResourceViewSet) else None
    action = resource.action if resource else method.lower()
    reads = method == "GET"
    takes = {parameter["name"] for parameter in operation.get("parameters", ())}
    # Where nobody has to authenticate it says so.
    operation.setdefault("security", [])
    answers = dict(operation["responses"])
    # Of a request that is sent again: what the first one made is gone.
    may_be_gone = "{" in path or idempotency.HEADER in takes
    problems = {
        *_common_problems(takes, reads=reads),
        *((404,) if may_be_gone else ()),
        *((429, 503) if _is_limited(view) else ()),
        *((401, 403) if operation["security"] else ()),
        *getattr(view, "more_problems", {}).get(action, ()),
    }
    for status in sorted(problems):
        operation["responses"][str(status)] = {
            "$ref": f"#/components/responses/Problem{status}"
        }
    if reads and "If-None-Match" in takes:
        operation["responses"]["304"] = {
            "description": "Not modified: you have the current version."
        }
        answers["304"] = operation["responses"]["304"]
    links = {
        target: {
            "operationId": target,
            "parameters": {"id": f"$response.body#/{field}"},
        }
        for target, field in (
            resource.links.get(action, {}) if resource else {}
        ).items()
    }
    for status, response in answers.items():
        known = {
            "X-Request-ID": True,
            **dict.fromkeys(headers.LIMITS, _is_limited(view)),
            **(_of_resource(resource, takes, status, reads=reads) if resource else {}),
        }
        if "content" not in response:
            known.pop("ETag", None)
        there = (name for name, is_there in known.items() if is_there)
        response["headers"] = headers.refs(*there)
        if links and "content" in response:
            response["links"] = links


def _is_limited(view: Any) -> bool:
    return isinstance(view, GuardedView) and view.is_limited


def _common_problems(takes: set[str], *, reads: bool) -> set[int]:
    return {
        *(400, 405, 406, 414, 431, 500),
        # Any write can carry a body, even if only an empty object.
        *(() if reads else (403, 408, 409, 411, 413, 415)),
        *((422,) if idempotency.HEADER in takes else ()),
        *((412,) if "If-Match" in takes else ()),
        # What a call that waits for an operation may hear from the cloud.
        *((502, 504) if "Prefer" in takes and not reads else ()),
    }


def _of_resource(
    view: ResourceViewSet[Any], takes: set[str], status: str, *, reads: bool
) -> dict[str, bool]:
    """Return the headers of a resource, and whether this answer has them."""
    lists = view.action == "list"
    waits = "Prefer" in takes and not reads
    return {
        "Link": lists,
        "Event-Cursor": lists,
        "ETag": "If-None-Match" in takes or not reads,
        "Operation-Location": waits,
        "Preference-Applied": waits or (lists and view.action in view.long_polls),
        "Idempotent-Replayed": idempotency.HEADER in takes,
        "Location": view.action == "create"
        or (view.action in view.statuses and status == "202"),
        # Of what is waited for: a list is asked again at once.
        "Retry-After": status == "202"
        or (view.action in view.long_polls and not lists),
    }
