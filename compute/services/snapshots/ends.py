"""How operations on snapshots end."""

from django.db import transaction

from compute.engine import queue
from compute.engine.work import (
    Cancelled,
    Done,
    End,
    Failed,
)
from compute.models import (
    VM,
    Image,
    Operation,
    Snapshot,
    SnapshotStatus,
)
from compute.models.kinds import held_by
from compute.services import quotas, rows
from providers.contract.images import Image as CloudImage


def lock(operation: Operation) -> tuple[VM | None, Snapshot]:
    """Lock the VM that an operation occupies, if it does, and then its snapshot.

    The VM first, as every request does: one lock order.
    """
    vm_id = operation.related_id
    vm = VM.locked(vm_id) if vm_id else None
    return vm, Snapshot.locked(operation.target_id)


def settle(operation: Operation, end: End) -> None:
    """End an operation on a snapshot; does nothing if somebody else ended it first."""
    with transaction.atomic():
        vm, snapshot = lock(operation)
        if not queue.close(operation, end):
            return
        held = held_by(snapshot)
        _rest(snapshot, _status_after(operation, end))
        if isinstance(end, Done):
            snapshot.error = None
        elif isinstance(end, Failed) and operation.from_status != SnapshotStatus.ERROR:
            # What is tried in vain on one in ERROR does not hide what brought it there.
            snapshot.error = end.problem.document()
        if isinstance(end, Done) and isinstance(end.seen, CloudImage):
            snapshot.size_bytes = end.seen.size_bytes
            snapshot.image = _catalogue(snapshot, end.seen)
        # One that failed leaves no image, at the latest after a pass.
        snapshot.counted = snapshot.status == SnapshotStatus.AVAILABLE
        quotas.settle(snapshot.project_id, before=held, after=held_by(snapshot))
        changed = rows.save(snapshot, touch=True)
        # The allowed_actions of the VM are back.
        others = [] if vm is None else [rows.save(vm, touch=True)]
        rows.record_end(operation, changed, *others, related=snapshot.vm)


def _status_after(operation: Operation, end: End) -> str:
    match end:
        case Cancelled():  # which leaves all as it was
            return operation.from_status or SnapshotStatus.DELETED
        case Failed():  # nothing was before a create
            return end.status or operation.from_status or SnapshotStatus.ERROR
        case Done():
            return end.status or operation.end_status


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
