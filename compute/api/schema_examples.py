"""One example for every body of the API; tests hold them against the schema."""

from typing import Any

_VM_ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_SNAPSHOT_ID = "c0de5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_OPERATION_ID = "41aa0c9d-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_PROJECT_ID = "b1c05a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_FLAVOR_ID = "2f0c4c1e-8f2d-4c1e-9d0a-3a3f1d1b2c11"
_IMAGE_ID = "cce55a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_REQUEST_ID = "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_AT = "2026-11-23T10:00:00Z"
_LATER = "2026-11-23T10:00:41Z"

_VM: dict[str, Any] = {
    "id": _VM_ID,
    "name": "web-1",
    "description": "",
    "project": _PROJECT_ID,
    "cloud": "default",
    "status": "ACTIVE",
    "flavor": "m1.small",
    "flavor_id": _FLAVOR_ID,
    "vcpus": 1,
    "ram_mb": 2048,
    "disk_gb": 20,
    "image": "ubuntu-22.04",
    "image_id": _IMAGE_ID,
    "labels": {"env": "prod"},
    "addresses": [
        {
            "ip": "10.10.0.12",
            "version": 4,
            "network": "private",
            "type": "fixed",
            "mac": "fa:16:3e:00:00:02",
        }
    ],
    "delete_protection": False,
    "allowed_actions": ["stop", "reboot", "resize", "snapshot", "delete"],
    "operation_id": _OPERATION_ID,
    "error": None,
    "version": 4,
    "observed_at": _LATER,
    "created_at": _AT,
    "updated_at": _LATER,
    "deleted_at": None,
}
_SNAPSHOT: dict[str, Any] = {
    "id": _SNAPSHOT_ID,
    "vm": _VM_ID,
    "name": "before-upgrade",
    "description": "",
    "project": _PROJECT_ID,
    "cloud": "default",
    "status": "AVAILABLE",
    "image": "d15c5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    "size_gb": 10,
    "labels": {},
    "operation_id": _OPERATION_ID,
    "error": None,
    "version": 2,
    "created_at": _AT,
    "updated_at": _LATER,
    "deleted_at": None,
}
_OPERATION: dict[str, Any] = {
    "id": _OPERATION_ID,
    "type": "vm.create",
    "status": "RUNNING",
    "progress": 50,
    "step": "spawning",
    "target": {"type": "vm", "id": _VM_ID},
    "error": None,
    "project": _PROJECT_ID,
    "cloud": "default",
    "requested_by": "user:alice",
    "request_id": _REQUEST_ID,
    "cancellable": True,
    "cancel_requested": False,
    "created_at": _AT,
    "started_at": _AT,
    "finished_at": None,
}
_FLAVOR: dict[str, Any] = {
    "id": _FLAVOR_ID,
    "name": "m1.small",
    "cloud": "default",
    "provider_id": "2",
    "deprecation": None,
    "created_at": _AT,
    "updated_at": _AT,
    "vcpus": 1,
    "ram_mb": 2048,
    "disk_gb": 20,
}
_IMAGE: dict[str, Any] = {
    "id": _IMAGE_ID,
    "name": "ubuntu-22.04",
    "cloud": "default",
    "provider_id": "70b4069c-32b4-4162-9e7a-2489f2a36356",
    "deprecation": None,
    "created_at": _AT,
    "updated_at": _AT,
    "status": "ACTIVE",
    "visibility": "PUBLIC",
    "size_bytes": 2361393152,
    "min_disk_gb": 5,
    "min_ram_mb": 512,
    "project": None,
}


def _page(row: dict[str, Any], path: str) -> dict[str, Any]:
    return {
        "results": [row],
        "next": f"https://host/api/v1/{path}?page=2",
        "previous": None,
        "count": 23,
    }


def _problem(code: str, title: str, status: int, detail: str, **more: Any) -> Any:
    return {
        "type": f"https://host/problems/{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "retryable": False,
        "instance": f"/api/v1/vms/{_VM_ID}/actions/stop",
        "request_id": _REQUEST_ID,
        **more,
    }


#: Name of a component, or code of a problem -> example.
EXAMPLES: dict[str, Any] = {
    "VM": _VM,
    "Snapshot": _SNAPSHOT,
    "Operation": _OPERATION,
    "Flavor": _FLAVOR,
    "Image": _IMAGE,
    "PaginatedVMList": _page(_VM, "vms"),
    "PaginatedSnapshotList": _page(_SNAPSHOT, "snapshots"),
    "PaginatedOperationList": _page(_OPERATION, "operations"),
    "PaginatedFlavorList": _page(_FLAVOR, "flavors"),
    "PaginatedImageList": _page(_IMAGE, "images"),
    "VMCreate": {
        "name": "web-1",
        "flavor": "m1.small",
        "image": "ubuntu-22.04",
        "labels": {"env": "prod"},
    },
    "VMUpdate": {"name": "web-2", "labels": {"env": "test"}},
    "Reboot": {"type": "HARD"},
    "Resize": {"flavor": "m1.medium"},
    "Rebuild": {"image": "debian-12"},
    "Restore": {"snapshot": _SNAPSHOT_ID},
    "SnapshotCreate": {"name": "before-upgrade"},
    "SnapshotUpdate": {"description": "Before the upgrade to 24.04."},
    "ConsoleLog": {"output": "web-1 login: "},
    "Health": {"status": "ok"},
    "Ready": {
        "status": "ok",
        "checks": {"database": "ok", "broker": "ok"},
        "clouds": {"default": {"observed_at": _LATER, "failures": 0}},
    },
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
    "not-found": _problem("not-found", "Not found", 404, f"No VM {_VM_ID}."),
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
        f"Operation {_OPERATION_ID} (vm.start) is in progress.",
        retryable=True,
        operation_id=_OPERATION_ID,
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
        vm=_VM_ID,
        openstack={
            "service": "compute",
            "status": 500,
            "message": "No valid host was found.",
            "request_id": "req-3dcc5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11",
        },
    ),
}
