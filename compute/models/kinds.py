"""The nouns: one line for each thing that a cloud has for us."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from compute.models.operation import Operation
from compute.models.owned import CloudResource
from compute.models.snapshot import Snapshot
from compute.models.vm import VM


@dataclass(frozen=True, slots=True)
class Kind:
    #: In the path of the API, and of an event's subject.
    plural: str
    model: type[CloudResource]


#: Slug -> kind. A slug is stored: in operations, occupations and events.
KINDS: Mapping[str, Kind] = {
    "vm": Kind("vms", VM),
    "snapshot": Kind("snapshots", Snapshot),
}


def target(operation: Operation) -> Any:
    """Return what an operation is about; it is there, deleted or not."""
    return find(operation.target_kind, operation.target_id)


def find(kind: str, id: UUID | None) -> Any:
    """Return a row by its kind and id, or ``None``."""
    if kind not in KINDS or id is None:
        return None
    return KINDS[kind].model._default_manager.filter(pk=id).first()


def find_all(pairs: Iterable[tuple[str, UUID | None]]) -> dict[UUID, Any]:
    """Return rows by their ids, with one query for each kind."""
    ids: dict[str, set[UUID]] = {}
    for kind, id in pairs:
        if kind in KINDS and id is not None:
            ids.setdefault(kind, set()).add(id)
    rows: dict[UUID, Any] = {}
    for kind, wanted in ids.items():
        rows |= KINDS[kind].model._default_manager.in_bulk(wanted)
    return rows
