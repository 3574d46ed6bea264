"""Snapshots: what can be asked of them, how it is done, and how it ends.

Taking one occupies its VM, whose status stays as it is; deleting one occupies the
snapshot alone.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_fsm import can_proceed

from compute import events
from compute.engine import calls, queue
from compute.engine.work import (
    Again,
    Answer,
    Cancelled,
    Done,
    End,
    Failed,
    Waiting,
)
from compute.errors import InvalidTransition, NotFound, OpenStackError
from compute.events import SYSTEM, Actor
from compute.expected import Expect, check_expected
from compute.models import (
    VM,
    Image,
    Operation,
    OperationType,
    Resource,
    Snapshot,
    SnapshotStatus,
)
from compute.services import fields, observed, quotas, vms
from providers import errors
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.images import Image as CloudImage

#: Glance's words for an image that will never be active.
DEAD_IMAGE_STATUSES = frozenset({"killed", "deleted", "pending_delete"})

#: How long an image may take to show as active once its server's task has ended.
IMAGE_GRACE = timedelta(seconds=30)

#: What `update` may change.
EDITABLE = frozenset({"name", "description", "labels"})

# The request half


def create(
    vm: VM,
    *,
    actor: Actor,
    name: str,
    description: str = "",
    labels: Mapping[str, str] | None = None,
    expect: Expect = None,
) -> Snapshot:
    """Ask for a snapshot of a VM; no other action is accepted until it ends."""
    with transaction.atomic():
        vm = vms.lock(vm)
        vms.check(vm, "snapshot", expect=expect)
        vm.snapshot()
        snapshot: Snapshot = Snapshot(
            project_id=vm.project_id,
            cloud=vm.cloud,
            vm=vm,
            name=name,
            description=description,
            labels=dict(labels or {}),
        )
        fields.check(snapshot, "name", "description", "labels")
        quotas.reserve(vm.project_id, {Resource.SNAPSHOTS: 1})
        operation = queue.submit(
            OperationType.SNAPSHOT_CREATE,
            actor=actor,
            target=snapshot,
            related=vm,
            end_status=SnapshotStatus.AVAILABLE,
        )
        snapshot.operation = vm.operation = operation
        snapshot.save(force_insert=True)
        vm.save_changes()
        events.record(
            "snapshot.created",
            actor=actor,
            subject=snapshot,
            related=vm,
            operation=operation,
        )
    return snapshot


def update(
    snapshot: Snapshot,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
) -> Snapshot:
    """Change what is ours alone: name, description, labels."""
    unknown = changes.keys() - EDITABLE
    if unknown:
        raise ValueError(f"not editable: {', '.join(sorted(unknown))}")
    with transaction.atomic():
        snapshot = _lock(snapshot)
        check_expected(snapshot, expect)
        changed = snapshot.apply_changes(changes)
        if not changed:
            return snapshot
        fields.check(snapshot, *changed)
        snapshot.save_changes()
        events.record(
            "snapshot.updated",
            actor=actor,
            subject=snapshot,
            related=snapshot.vm,
            data=changed,
        )
    return snapshot


def delete(snapshot: Snapshot, *, actor: Actor, expect: Expect = None) -> Snapshot:
    """Delete a snapshot: its image goes, the row stays as DELETED."""
    with transaction.atomic():
        snapshot = _lock(snapshot)
        check_expected(snapshot, expect)
        queue.check_free(snapshot)
        if not can_proceed(snapshot.remove):
            raise InvalidTransition(
                f"Cannot delete a snapshot that is {snapshot.status}.",
                snapshot_status=snapshot.status,
                allowed_actions=[],
            )
        before = snapshot.status
        snapshot.remove()
        snapshot.operation = queue.submit(
            OperationType.SNAPSHOT_DELETE,
            actor=actor,
            target=snapshot,
            from_status=before,
            end_status=SnapshotStatus.DELETED,
        )
        snapshot.save_changes()
        events.record(
            "snapshot.updated",
            actor=actor,
            subject=snapshot,
            related=snapshot.vm,
            operation=snapshot.operation,
            data={"status": [before, snapshot.status]},
        )
    return snapshot


def _lock(snapshot: Snapshot) -> Snapshot:
    try:
        return Snapshot.objects.alive().locked(snapshot.pk)
    except Snapshot.DoesNotExist:
        raise NotFound("No such snapshot.") from None


# The perform half


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Take the snapshot, or find the image of one that was taken before."""
    snapshot = _of(operation)
    if not operation.call:
        return _take(operation, cloud, snapshot)
    found = cloud.images.list_snapshots(tag=str(snapshot.pk))
    if not found and not operation.receipt:
        remaining = calls.may_still_arrive(operation, cloud)
        return Again(remaining) if remaining else _take(operation, cloud, snapshot)
    if not found:
        return _failed("The cloud dropped the snapshot's image without a reason.")
    if found[0].status in DEAD_IMAGE_STATUSES:
        _delete_image(operation, cloud, found[0].id)
        return _failed(f"The cloud gave the snapshot's image up: {found[0].status}.")
    _remember(operation, snapshot, found[0].id)
    if found[0].status != Image.ACTIVE:
        return _await(cloud, snapshot, found[0])
    return _read_image(found[0])


def _await(cloud: Cloud, snapshot: Snapshot, image: CloudImage) -> Answer:
    """Wait for an image, unless nobody works on it any more: its server rests.

    Nova's record of a snapshot ends when it has begun, and where its host died or
    Glance was away nobody removes the image. The passes do, once this has failed.
    """
    server = cloud.servers.get(snapshot.vm.server_id)
    if observed.resting_status(server) is None:
        return Waiting(step=image.status)
    remaining = (server.updated_at + IMAGE_GRACE - timezone.now()).total_seconds()
    if remaining > 0:
        return Again(remaining)
    return _failed(f"The cloud stopped working on an image that is {image.status}.")


def _take(operation: Operation, cloud: Cloud, snapshot: Snapshot) -> Answer:
    def request(request_id: str) -> Receipt:
        return cloud.servers.snapshot(
            snapshot.vm.server_id,
            name=snapshot.name,
            tag=str(snapshot.pk),
            request_id=request_id,
        )

    receipt = calls.send(operation, "servers.snapshot", request)
    _remember(operation, snapshot, receipt.created_id or "")
    return Waiting(step="queued", progress=10)


def _remember(operation: Operation, snapshot: Snapshot, image_id: str) -> None:
    """Store the image's id, unless the operation was ended meanwhile."""
    mine = Snapshot.objects.filter(pk=snapshot.pk, operation=operation)
    if not mine.filter(status=snapshot.status).update(image_provider_id=image_id):
        raise calls.ClaimLostError
    snapshot.image_provider_id = image_id


def _failed(detail: str) -> Failed:
    return Failed(OpenStackError(detail), SnapshotStatus.ERROR)


def look_create(operation: Operation, listing: observed.Listing) -> Answer | None:
    """Read from a listing of images how far the snapshot has come."""
    server = listing.server_of(operation.related_id)
    if listing.images is None or (server is not None and server.task_state is not None):
        return None
    image = listing.images.get(str(operation.target_id))
    resting = server is not None and observed.resting_status(server) is not None
    return _read_image(image, resting=resting)


def _read_image(image: CloudImage | None, *, resting: bool = False) -> Answer:
    """Say how far an image is; ``resting``: its server was seen at rest before."""
    if image is None or image.status in DEAD_IMAGE_STATUSES:
        return Again()
    if image.status == Image.ACTIVE:
        return Done(SnapshotStatus.AVAILABLE, seen=image)
    return Again() if resting else Waiting(step=image.status)


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    """Delete the image; one that is gone already counts as deleted.

    By its tag only where its id never reached us: images of servers that were booted
    from it carry the tag too.
    """
    snapshot = _of(operation)
    image_ids = [snapshot.image_provider_id]
    if not snapshot.image_provider_id:
        found = cloud.images.list_snapshots(tag=str(snapshot.pk))
        image_ids = [image.id for image in found]
    for image_id in image_ids:
        _delete_image(operation, cloud, image_id)
    return Done(SnapshotStatus.DELETED)


def _delete_image(operation: Operation, cloud: Cloud, image_id: str) -> None:
    try:
        cloud.images.delete(image_id, request_id=calls.request_id(operation))
    except errors.NotFound:
        return


def _of(operation: Operation) -> Snapshot:
    return Snapshot.objects.select_related("vm").get(pk=operation.target_id)


# The ends


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
