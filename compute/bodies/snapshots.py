"""A snapshot."""

from compute.bodies.body import (
    ID,
    LABELS,
    NUMBER,
    PROBLEM,
    TEXT,
    TIME,
    Body,
    Field,
    one_of,
)
from compute.bodies.examples import AT, LATER, OPERATION_ID, PROJECT_ID, VM_ID
from compute.bodies.reader import Reader, problem
from compute.models import SnapshotStatus

GB = 1024**3


def _size_gb(reader: Reader, size_bytes: int | None) -> int | None:
    return None if size_bytes is None else -(-size_bytes // GB)


SNAPSHOT_BODY = Body(
    "Snapshot",
    "An image of a VM at one moment.",
    Field("id", ID, "c0de5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
    Field("vm", ID, VM_ID, at="vm_id"),
    Field("name", TEXT, "before-upgrade"),
    Field("description", TEXT, ""),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("cloud", TEXT, "default"),
    Field("status", one_of(SnapshotStatus), "AVAILABLE"),
    Field(
        "image",
        ID,
        "d15c5a57-6f0c-4c1e-9d0a-3a3f1d1b2c11",
        at="image_id",
        null=True,
        about="Id of its image, to create other VMs from.",
    ),
    Field(
        "size_gb",
        NUMBER,
        10,
        at="size_bytes",
        made=_size_gb,
        null=True,
        about="Rounded up.",
    ),
    Field("labels", LABELS, {}),
    Field("operation_id", ID, OPERATION_ID, null=True),
    Field("error", PROBLEM, None, made=problem, null=True),
    Field("version", NUMBER, 2, about="The ETag."),
    Field("created_at", TIME, AT),
    Field("updated_at", TIME, LATER),
    Field("deleted_at", TIME, None, null=True),
)
