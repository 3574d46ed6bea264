"""Examples of problems and of pages; all others are beside their bodies."""

from collections.abc import Mapping
from typing import Any

from compute.bodies.examples import OPERATION_ID, PROJECT_ID, REQUEST_ID, VM_ID


def page(row: Mapping[str, Any], path: str, *, numbered: bool) -> dict[str, Any]:
    """Return a page of a list, with links to the one after it."""
    path = path.replace("{id}", PROJECT_ID)
    on = "page=2" if numbered else "cursor=WyJ4Il0"
    return {
        "results": [row],
        "next": f"https://host{path}?{on}",
        "previous": None,
        "count": 23 if numbered else None,
    }


def _problem(code: str, title: str, status: int, detail: str, **more: Any) -> Any:
    return {
        "type": f"https://host/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "retryable": False,
        "instance": f"/api/v1/vms/{VM_ID}/actions/stop",
        "request_id": REQUEST_ID,
        **more,
    }


#: Code -> example.
PROBLEMS: dict[str, Any] = {
    "validation-error": _problem(
        "validation-error",
        "Request is not valid",
        400,
        "No flavor m9.huge.",
        errors=[
            {
                "pointer": "#/flavor",
                "code": "does_not_exist",
                "detail": "No flavor m9.huge.",
            }
        ],
    ),
    "not-found": _problem("not-found", "Not found", 404, f"No VM {VM_ID}."),
    "invalid-transition": _problem(
        "invalid-transition",
        "Action not allowed in this state",
        409,
        "Cannot stop a VM that is SHUTOFF.",
        vm_status="SHUTOFF",
        allowed_actions=["start", "resize", "rebuild", "delete"],
    ),
    "operation-in-progress": _problem(
        "operation-in-progress",
        "Another operation is in progress",
        409,
        f"Operation {OPERATION_ID} (vm.start) is in progress.",
        retryable=True,
        operation_id=OPERATION_ID,
    ),
    "precondition-failed": _problem(
        "precondition-failed",
        "Precondition failed",
        412,
        "The current version is 5.",
        version=5,
    ),
    "openstack-error": _problem(
        "openstack-error",
        "The cloud refused or failed",
        502,
        "No valid host was found.",
        vm=VM_ID,
        openstack={
            "service": "nova",
            "status": 500,
            "message": "No valid host was found.",
            "request_id": "req-3dcc5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11",
        },
    ),
}
