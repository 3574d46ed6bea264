"""One example for every body of the API; tests hold them against the schema."""

from typing import Any

_VM_ID = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_SNAPSHOT_ID = "c0de5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_OPERATION_ID = "41aa0c9d-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_PROJECT_ID = "b1c05a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_FLAVOR_ID = "2f0c4c1e-8f2d-4c1e-9d0a-3a3f1d1b2c11"
_API_TOKEN_ID = "70ce5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"  # noqa: S105  # an id
_IMAGE_ID = "cce55a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"
_REQUEST_ID = "req-9a1b5c02-6f0c-4c1e-9d0a-3a3f1d1b2c11"
#: Shortened: three parts, as any.
_JWT = (
    "eyJhbGciOiJIUzI1NiJ9.eyJsb2dpbiI6Ii4uLiJ9.c2lnbmF0dXJl"  # pragma: allowlist secret
)
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


_PROJECT: dict[str, Any] = {
    "id": _PROJECT_ID,
    "name": "web-shop",
    "description": "",
    "role": "admin",
    "version": 1,
    "created_at": _AT,
    "updated_at": _AT,
}
_MEMBER: dict[str, Any] = {
    "username": "alice",
    "role": "member",
    "created_at": _AT,
}
_API_TOKEN: dict[str, Any] = {
    "id": _API_TOKEN_ID,
    "name": "terraform",
    "project": _PROJECT_ID,
    "role": "member",
    "user": "alice",
    "prefix": "osl_7Qm2vXw1",
    "token": None,
    "expires_at": "2027-02-21T10:00:00Z",
    "last_used_at": None,
    "created_at": _AT,
}
_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11",
    "source": f"/api/v1/projects/{_PROJECT_ID}",
    "type": "vm.updated",
    "subject": f"vms/{_VM_ID}",
    "time": _LATER,
    "datacontenttype": "application/json",
    "sequence": "000000000184",
    "project": _PROJECT_ID,
    "outcome": "SUCCEEDED",
    "actor": "user:alice",
    "token": "osl_7Qm2vXw1",
    "address": "192.0.2.7",
    "request_id": _REQUEST_ID,
    "data": {"status": ["ACTIVE", "STOPPING"]},
}
_QUOTA: dict[str, Any] = {
    "vms": {"limit": 10, "used": 3},
    "vcpus": {"limit": 20, "used": 4},
    "ram_mb": {"limit": 51200, "used": 8192},
    "disk_gb": {"limit": 1000, "used": 80},
    "snapshots": {"limit": None, "used": 0},
}


def _page(
    row: dict[str, Any], path: str, *, on: str = "page=2", count: int | None = 23
) -> dict[str, Any]:
    return {
        "results": [row],
        "next": f"https://host/api/v1/{path}?{on}",
        "previous": None,
        "count": count,
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
    "Project": _PROJECT,
    "PaginatedProjectList": _page(_PROJECT, "projects"),
    "ProjectCreate": {"name": "web-shop"},
    "ProjectUpdate": {"description": "The shop and its database."},
    "Member": _MEMBER,
    "PaginatedMemberList": _page(_MEMBER, f"projects/{_PROJECT_ID}/members"),
    "MemberSet": {"role": "member"},
    "Quota": _QUOTA,
    "QuotaUpdate": {"vms": {"limit": 20}, "snapshots": {"limit": None}},
    "APIToken": _API_TOKEN,
    "PaginatedAPITokenList": _page(_API_TOKEN, "api-tokens"),
    "APITokenCreate": {"name": "terraform", "role": "member"},
    "Event": _EVENT,
    "PaginatedEventList": _page(_EVENT, "events", on="cursor=WyJ4Il0", count=None),
    # pragma: allowlist nextline secret
    "LogIn": {"username": "alice", "password": "correct horse battery staple"},
    "Refresh": {"refresh": _JWT},
    "Tokens": {
        "token_type": "Bearer",
        "access": _JWT,
        "access_expires_at": "2026-11-23T10:10:00Z",
        "refresh": _JWT,
        "refresh_expires_at": "2026-11-24T10:00:00Z",
    },
    "Me": {
        "id": 7,
        "username": "alice",
        "is_operator": False,
        "projects": [{"id": _PROJECT_ID, "name": "web-shop", "role": "member"}],
        "token": None,
    },
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
    "Restore": {"snapshot": "before-upgrade"},
    "SnapshotCreate": {"name": "before-upgrade"},
    "SnapshotUpdate": {"description": "Before the upgrade to 24.04."},
    "ConsoleLog": {"output": "web-1 login: "},
    "Health": {"status": "ok"},
    "Ready": {
        "status": "ok",
        "checks": {"database": "ok", "broker": "ok", "disk": "ok"},
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
