"""Subjects: what an event can be about, named as the API names it below /api/v1."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Model

from compute.limits import UUID_TEXT
from compute.models.api_token import APIToken
from compute.models.event import Event
from compute.models.kinds import KINDS
from compute.models.operation import Operation
from compute.models.owned import Owned
from compute.models.project import Membership, Project


class Noun(NamedTuple):
    #: Where it is in the API.
    path: str
    #: Whose row the id is.
    model: type[Model]


#: Slug -> how its things are named. A slug is stored in events.
SUBJECTS: Mapping[str, Noun] = {
    **{slug: Noun(f"{kind.plural}/{{id}}", kind.model) for slug, kind in KINDS.items()},
    "operation": Noun("operations/{id}", Operation),
    "project": Noun("projects/{id}", Project),
    "quota": Noun("projects/{id}/quota", Project),
    "member": Noun("projects/{id}/members/{name}", Project),
    "api-token": Noun("api-tokens/{id}", APIToken),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about."""

    kind: str
    id: UUID
    project_id: UUID
    #: What an id does not say: a member's username.
    name: str = ""
    #: Its version once the event has happened; ``None``: its kind has none.
    version: int | None = None


def of(row: object) -> Subject | None:
    """Return the subject that a row is, or ``None`` for what no event can be about."""
    match row:
        case Subject():
            return row
        case Owned():
            return Subject(row.kind, row.pk, row.project_id, version=row.version)
        case Project():
            return Subject("project", row.pk, row.pk, version=row.version)
        case Operation():
            return Subject("operation", row.pk, row.project_id)
        case APIToken():
            return Subject("api-token", row.pk, row.project_id)
        case Membership():
            project_id, name = row.project_id, row.user.get_username()
            return Subject("member", project_id, project_id, name=name)
    return None


def quota_of(project: Project) -> Subject:
    """Return the quota of a project as a subject."""
    return Subject("quota", project.pk, project.pk)


def path(kind: str, id: UUID, name: str = "") -> str:
    """Return how a subject is named: ``vms/{id}``."""
    return SUBJECTS[kind].path.format(id=id, name=name)


def _pattern(path: str) -> str:
    return path.format(id=f"({UUID_TEXT})", name="([^/,]{1,150})")


def _all() -> str:
    firsts: dict[str, list[str]] = {}
    for noun in SUBJECTS.values():
        first, _, rest = noun.path.partition("/")
        firsts.setdefault(rest, []).append(first)
    return "|".join(
        _pattern(f"({'|'.join(names)})/{rest}") for rest, names in firsts.items()
    )


#: Of the names of all subjects, as OpenAPI takes it.
PATTERN = _all()


def read(text: str) -> tuple[str, UUID, str] | None:
    """Return the kind, id and name that the name of a subject says, if it is one."""
    for kind, noun in SUBJECTS.items():
        if found := re.fullmatch(_pattern(noun.path), text):
            id, *names = found.groups()
            return kind, UUID(id), "".join(names)
    return None


Labels = Mapping[str, str]


def labels_of(events: Iterable[Event]) -> dict[UUID, Labels]:
    """Return event -> the labels that what it is about has now, or had when deleted.

    What has none, as an operation, counts as what its events are shown beside: its
    target. One query for each kind.
    """
    events = list(events)
    about = {event.pk: _labelled(event) for event in events}
    ids: dict[str, set[UUID]] = {}
    for kind, id in filter(None, about.values()):
        ids.setdefault(kind, set()).add(id)
    found: dict[tuple[str, UUID] | None, Labels] = {}
    for kind, wanted in ids.items():
        rows = KINDS[kind].model._default_manager.filter(pk__in=wanted)
        for pk, labels in rows.values_list("pk", "labels"):
            found[kind, pk] = labels
    return {event: found.get(place, {}) for event, place in about.items()}


def _labelled(event: Event) -> tuple[str, UUID] | None:
    for kind, id in (
        (event.subject_kind, event.subject_id),
        (event.related_kind, event.related_id),
    ):
        if kind in KINDS and id is not None:
            return kind, id
    return None


def find(kind: str, id: UUID | None) -> Any:
    """Return the row of a subject, or ``None``."""
    return find_all([(kind, id)]).get(id)


def find_all(pairs: Iterable[tuple[str, UUID | None]]) -> dict[UUID | None, Any]:
    """Return the rows of subjects by their ids, with one query for each model."""
    ids: dict[type[Model], set[UUID]] = {}
    for kind, id in pairs:
        if kind in SUBJECTS and id is not None:
            ids.setdefault(SUBJECTS[kind].model, set()).add(id)
    rows: dict[UUID | None, Any] = {}
    for model, wanted in ids.items():
        rows |= model._default_manager.in_bulk(wanted)
    return rows
