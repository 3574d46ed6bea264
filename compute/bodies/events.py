"""An event: CloudEvents 1.0. What CloudEvents has no word for is in its data."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.urls import reverse

from compute.bodies import resources
from compute.bodies.body import (
    ID,
    NUMBER,
    OBJECT,
    TEXT,
    TIME,
    Body,
    Each,
    Field,
    Schema,
    one_of,
)
from compute.bodies.examples import (
    LATER,
    OPERATION_ID,
    PROJECT_ID,
    REQUEST_ID,
    TOKEN_PREFIX,
    VM_ID,
)
from compute.bodies.reader import Reader
from compute.bodies.vms import VM_BODY
from compute.models import Outcome, subjects
from compute.models.event import parts

PAIR: Schema = {"type": "array", "items": {}, "minItems": 2, "maxItems": 2}


def _source(reader: Reader, project_id: UUID | None) -> str:
    root = reverse("root")
    return f"{root}projects/{project_id}" if project_id else root


def _subject(reader: Reader, kind: str, id: UUID | None, name: str) -> str | None:
    return None if id is None else subjects.path(kind, id, name)


def _sequence(reader: Reader, sequence: int | None) -> str | None:
    return None if sequence is None else f"{sequence:012d}"


def _data(reader: Reader, rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the data of events, each with its subject as that is now."""
    found = resources.find(
        ((kind, id, name) for kind, id, name, *_ in rows if id is not None), reader
    )
    shown = []
    for kind, id, name, version, stored, *plain in rows:
        actor, token, address, request_id, outcome, operation_id = plain
        changes, details = parts(stored)
        shown.append(
            {
                "actor": actor,
                "token": token or None,
                "address": address,
                "request_id": request_id or None,
                "outcome": outcome,
                "operation": operation_id,
                "version": version,
                "changes": resources.changes_of(kind, changes, reader),
                "details": details,
                "resource": found.get((kind, id, name)),
            }
        )
    return shown


EVENT_DATA_BODY = Body(
    "EventData",
    "Who did it, what it changed, and what it is about.",
    Field("actor", TEXT, "user:alice", about="`user:alice`, `system`, …"),
    Field(
        "token",
        TEXT,
        TOKEN_PREFIX,
        null=True,
        about="The first characters of the API token that was used.",
    ),
    Field("address", TEXT, "192.0.2.7", null=True),
    Field("request_id", TEXT, REQUEST_ID, null=True),
    Field("outcome", one_of(Outcome), "SUCCEEDED"),
    Field("operation", ID, OPERATION_ID, null=True, about="What it was part of."),
    Field(
        "version",
        NUMBER,
        5,
        null=True,
        about="The version of the subject after this event, if it has versions.",
    ),
    Field(
        "changes",
        Each(PAIR),
        {"status": ["ACTIVE", "STOPPING"]},
        about="Field of the subject: before and after.",
    ),
    Field("details", OBJECT, {}, about="All else, such as why it was refused."),
    Field(
        "resource",
        OBJECT,
        VM_BODY.example | {"status": "STOPPING", "version": 5},
        null=True,
        about=(
            "The subject as GET shows it now, so never older than `version`; null once "
            "GET does not find it."
        ),
    ),
)

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
        at=("subject_kind", "subject_id", "subject_name"),
        made=_subject,
        null=True,
        about="The path below /api/v1 of what it is about: `vms/{id}`, …",
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
    Field(
        "data",
        EVENT_DATA_BODY,
        EVENT_DATA_BODY.example,
        at=(
            *("subject_kind", "subject_id", "subject_name", "subject_version"),
            *("data", "actor", "token", "address", "request_id", "outcome"),
            "operation_id",
        ),
        made=_data,
        together=True,
    ),
)
