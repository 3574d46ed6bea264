"""An operation."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.urls import reverse

from compute.bodies.body import (
    FLAG,
    ID,
    PERCENT,
    PROBLEM,
    TEXT,
    TIME,
    Body,
    Field,
    one_of,
)
from compute.bodies.examples import AT, OPERATION_ID, PROJECT_ID, REQUEST_ID, VM_ID
from compute.bodies.reader import Reader, problem
from compute.engine import runner
from compute.errors import OperationCancelled
from compute.models import OperationStatus, OperationType
from compute.models.kinds import TARGETS


def _target(reader: Reader, kind: str, id: UUID) -> dict[str, Any]:
    return {"type": kind, "id": id}


def _cancellable(
    reader: Reader, type: str, status: str, cancel_requested: bool
) -> bool:
    return runner.takes_cancel(type, status, cancel_requested=cancel_requested)


def _error(
    reader: Reader,
    status: str,
    stored: Mapping[str, Any] | None,
    id: UUID,
    type: str,
    target_kind: str,
    target_id: UUID,
    request_id: str,
) -> dict[str, Any] | None:
    """Return the problem it ended with: the same for who waited and for who polls."""
    if status not in (OperationStatus.FAILED, OperationStatus.CANCELLED):
        return None
    if stored is None:
        stored = OperationCancelled(f"{type} was cancelled.").document()
    return {
        **(problem(reader, stored) or {}),
        target_kind: str(target_id),
        "instance": reverse("operation-detail", kwargs={"id": id}),
        "request_id": request_id,
    }


TARGET_BODY = Body(
    "Target",
    "",
    Field("type", one_of(TARGETS), "vm"),
    Field("id", ID, VM_ID),
)

OPERATION_BODY = Body(
    "Operation",
    "One requested piece of work.",
    Field("id", ID, OPERATION_ID),
    Field("type", one_of(OperationType), "vm.create"),
    Field("status", one_of(OperationStatus), "RUNNING"),
    Field("progress", PERCENT, 50, about="Percent."),
    Field("step", TEXT, "spawning", about="What is being done, for people."),
    Field(
        "target",
        TARGET_BODY,
        TARGET_BODY.example,
        at=("target_kind", "target_id"),
        made=_target,
    ),
    Field(
        "error",
        PROBLEM,
        None,
        at=(
            "status",
            "error",
            "id",
            "type",
            "target_kind",
            "target_id",
            "request_id",
        ),
        made=_error,
        null=True,
        about="The problem that a waiting call would have received.",
    ),
    Field("project", ID, PROJECT_ID, at="project_id"),
    Field("cloud", TEXT, "default"),
    Field("requested_by", TEXT, "user:alice"),
    Field("request_id", TEXT, REQUEST_ID),
    Field(
        "cancellable",
        FLAG,
        True,
        at=("type", "status", "cancel_requested"),
        made=_cancellable,
        about="Whether a cancel would be accepted now.",
    ),
    Field("cancel_requested", FLAG, False),
    Field("created_at", TIME, AT),
    Field("started_at", TIME, AT, null=True),
    Field("finished_at", TIME, None, null=True),
)
