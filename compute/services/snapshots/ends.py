"""How operations on snapshots end."""

from django.db import transaction

from compute import events
from compute.engine import queue
from compute.engine.work import (
    Cancelled,
    Done,
    End,
    Failed,
)
from compute.events import SYSTEM, Actor
from compute.models import (
    VM,
    Image,
    Operation,
    Resource,
    Snapshot,
    SnapshotStatus,
)
from compute.services import quotas
from providers.contract.images import Image as CloudImage


def lock(operation: Operation) -> tuple[VM | None, Snapshot]:
    """Lock the VM that an operation occupies, if it does, and then its snapshot.

    The VM first, as every request does: one lock order.
    """
    vm_id = operation.related_id
    vm = VM.objects.locked(vm_id) if vm_id else None
    return vm, Snapshot.objects.locked(operation.target_id)


def settle(operation: Operation, end: End) -> None:
    """End an operation on a snapshot; does nothing if somebody else ended it first."""
    with transaction.atomic():
        vm, snapshot = lock(operation)
        if not queue.close(operation, end):
            return
        before = snapshot.status
        _rest(snapshot, _status_after(operation, end))
        if isinstance(end, Done):
            snapshot.error = None
        elif isinstance(end, Failed) and operation.from_status != SnapshotStatus.ERROR:
            # What is tried in vain on one in ERROR does not hide what brought it there.
            snapshot.error = end.problem.document()
        if isinstance(end, Done) and isinstance(end.seen, CloudImage):
            snapshot.size_bytes = end.seen.size_bytes
            snapshot.image = _catalogue(snapshot, end.seen)
        if snapshot.counted and not _is_there(snapshot):
            snapshot.counted = False
            quotas.count(snapshot.project_id, {Resource.SNAPSHOTS: -1})
        snapshot.save_changes(touch=True)
        if vm is not None:
            # Its allowed_actions are back.
            vm.save_changes(touch=True)
        _record_end(snapshot, operation, before=before)


def _status_after(operation: Operation, end: End) -> str:
    match end:
        case Cancelled():  # which leaves all as it was
            return operation.from_status or SnapshotStatus.DELETED
        case Failed():  # nothing was before a create
            return end.status or operation.from_status or SnapshotStatus.ERROR
        case Done():
            return end.status or operation.end_status


def _is_there(snapshot: Snapshot) -> bool:
    """Whether its image is: one that failed leaves none, at the latest after a pass."""
    return SnapshotStatus(snapshot.status) == SnapshotStatus.AVAILABLE


def _rest(snapshot: Snapshot, status: str) -> None:
    if status != SnapshotStatus.DELETED:
        snapshot.settle(SnapshotStatus(status))
        return
    snapshot.mark_deleted()
    if snapshot.image is not None:
        snapshot.image.vanished_at = snapshot.deleted_at
        snapshot.image.save(update_fields=["vanished_at"])


def _catalogue(snapshot: Snapshot, image: CloudImage) -> Image:
    """Enter the snapshot's image into the catalogue, for its project alone."""
    row, _ = Image.objects.update_or_create(
        cloud=snapshot.cloud,
        provider_id=image.id,
        defaults={
            "name": image.name,
            "status": image.status,
            "visibility": image.visibility,
            "size_bytes": image.size_bytes,
            "min_disk_gb": image.min_disk_gb,
            "min_ram_mb": image.min_ram_mb,
            "project_id": snapshot.project_id,
        },
    )
    return row


def _record_end(snapshot: Snapshot, operation: Operation, *, before: str) -> None:
    actor = Actor(SYSTEM.name, request_id=operation.request_id)
    events.record(
        "operation.finished",
        actor=actor,
        subject=snapshot,
        related=snapshot.vm,
        operation=operation,
        data={"status": operation.status, "error": operation.error},
    )
    events.record(
        "snapshot.deleted" if snapshot.deleted_at else "snapshot.updated",
        actor=actor,
        subject=snapshot,
        related=snapshot.vm,
        operation=operation,
        data={"status": [before, snapshot.status]},
    )
