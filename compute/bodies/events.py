"""An event: CloudEvents 1.0, with who did it."""

from uuid import UUID

from django.urls import reverse

from compute.bodies.body import ID, OBJECT, TEXT, TIME, Body, Field, one_of
from compute.bodies.examples import (
    LATER,
    PROJECT_ID,
    REQUEST_ID,
    TOKEN_PREFIX,
    VM_ID,
)
from compute.bodies.reader import Reader, null_if_empty, or_null
from compute.models import Outcome
from compute.models.kinds import KINDS


def _source(reader: Reader, project_id: UUID | None) -> str:
    root = reverse("root")
    return f"{root}projects/{project_id}" if project_id else root


def _subject(
    reader: Reader, kind: str, id: UUID | None, operation_id: UUID | None
) -> str | None:
    if id is not None:
        return f"{KINDS[kind].plural}/{id}"
    return None if operation_id is None else f"operations/{operation_id}"


def _sequence(reader: Reader, sequence: int | None) -> str | None:
    return None if sequence is None else f"{sequence:012d}"


EVENT_BODY = Body(
    "Event",
    (
        "Something that happened or was refused, and who did it; a CloudEvents "
        "1.0 event."
    ),
    Field("specversion", TEXT, "1.0", at=(), made=lambda reader: "1.0", about="1.0"),
    Field("id", ID, "0197c1e0-6f0c-4c1e-9d0a-3a3f1d1b2c11"),
    Field(
        "source",
        TEXT,
        f"/api/v1/projects/{PROJECT_ID}",
        at="project_id",
        made=_source,
        about="The project's URL, or the API's.",
    ),
    Field("type", TEXT, "vm.updated", about="`vm.updated`, `operation.finished`, …"),
    Field(
        "subject",
        TEXT,
        f"vms/{VM_ID}",
        at=("subject_kind", "subject_id", "operation_id"),
        made=_subject,
        null=True,
        about=", ".join(
            f"`{plural}/{{id}}`"
            for plural in (*(kind.plural for kind in KINDS.values()), "operations")
        )
        + ".",
    ),
    Field("time", TIME, LATER, at="created_at"),
    Field(
        "datacontenttype",
        TEXT,
        "application/json",
        at=(),
        made=lambda reader: "application/json",
    ),
    Field(
        "sequence",
        TEXT,
        "000000000184",
        made=_sequence,
        null=True,
        about="Counts the project's events, without gaps.",
    ),
    Field("project", ID, PROJECT_ID, at="project_id", null=True),
    Field("outcome", one_of(Outcome), "SUCCEEDED"),
    Field("actor", TEXT, "user:alice", about="`user:alice`, `system`, …"),
    Field(
        "token",
        TEXT,
        TOKEN_PREFIX,
        made=or_null,
        sql=null_if_empty("token"),
        null=True,
        about="The first characters of the API token that was used.",
    ),
    Field("address", TEXT, "192.0.2.7", null=True),
    Field(
        "request_id",
        TEXT,
        REQUEST_ID,
        made=or_null,
        sql=null_if_empty("request_id"),
        null=True,
    ),
    Field(
        "data",
        OBJECT,
        {"status": ["ACTIVE", "STOPPING"]},
        about="What changed, or why it was refused.",
    ),
)
