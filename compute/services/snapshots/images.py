"""Taking and deleting the images of snapshots, and what of them is left over."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from functools import partial

from django.utils import timezone

from compute import clouds
from compute.engine import calls
from compute.engine.work import (
    Again,
    Answer,
    Done,
    Failed,
    Waiting,
)
from compute.errors import OpenStackError
from compute.models import (
    Image,
    Operation,
    Snapshot,
    SnapshotStatus,
)
from compute.services.leftovers import Leftover, chunks, owner_id, remove
from compute.services.vms import observed
from providers import errors
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.images import Image as CloudImage
from providers.contract.servers import Server

#: Glance's words for an image that will never be active.
DEAD_IMAGE_STATUSES = frozenset({"killed", "deleted", "pending_delete"})

#: How long an image may take to show as active once its server's task has ended.
IMAGE_GRACE = timedelta(seconds=30)
#: How soon to ask again for an image while the cloud does not answer.
IMAGE_POLL_SECONDS = 5.0


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Take the snapshot, or find the image of one that was taken before."""
    snapshot = _of(operation)
    if not operation.call:
        return _take(operation, cloud, snapshot)
    try:
        images = cloud.images.list_snapshots(tag=str(snapshot.pk))
    except errors.ProviderError as error:
        if not (error.retryable or error.ambiguous):
            raise
        # Taken, as far as anybody knows, and the passes remove the image of one that
        # failed: that nobody can read it now is none of its failures.
        return Again(max(IMAGE_POLL_SECONDS, error.retry_after or 0.0))
    if not images and not operation.receipt:
        remaining = calls.may_still_arrive(operation, cloud)
        return Again(remaining) if remaining else _take(operation, cloud, snapshot)
    if not images:
        return _failed(
            "The cloud removed the snapshot's image without giving a reason."
        )
    if images[0].status in DEAD_IMAGE_STATUSES:
        _delete_image(operation, cloud, images[0].id)
        return _failed(
            f"The cloud gave up on the snapshot's image: {images[0].status}."
        )
    _remember(operation, snapshot, images[0].id)
    if images[0].status != Image.ACTIVE:
        return _await(cloud, snapshot, images[0])
    return Done(SnapshotStatus.AVAILABLE, seen=images[0])


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
        return Again(min(remaining, IMAGE_POLL_SECONDS))
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


def look_create(operation: Operation, server: Server) -> Answer:
    """Read from its server whether the cloud still works on the snapshot."""
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    return Again()


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    """Delete the image; one that is gone already counts as deleted.

    By its tag only where its id never reached us: images of servers that were booted
    from it carry the tag too.
    """
    snapshot = _of(operation)
    image_ids = [snapshot.image_provider_id]
    if not snapshot.image_provider_id:
        images = cloud.images.list_snapshots(tag=str(snapshot.pk))
        image_ids = [image.id for image in images]
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


def leftover_images(alias: str, listed: Iterable[CloudImage]) -> Iterator[Leftover]:
    """Find images of snapshots that failed or are deleted.

    Nova hands an image's properties down to the images of servers that were booted
    from it, our tag too. So once a snapshot has had an image only that very one counts.
    """
    cloud = clouds.get(alias)
    tagged = [(owner, image) for image in listed if (owner := owner_id(image.tag))]
    for chunk in chunks(tagged):
        snapshots = (
            Snapshot.objects.filter(
                cloud=alias,
                pk__in=[owner for owner, _ in chunk],
                status__in=(SnapshotStatus.ERROR, SnapshotStatus.DELETED),
            )
            .select_related("vm")
            .in_bulk()
        )
        for owner, image in chunk:
            snapshot = snapshots.get(owner)
            if (
                snapshot
                and snapshot.image_provider_id in ("", image.id)
                and snapshot.live_operation is None
            ):
                delete = partial(cloud.images.delete, image.id)
                yield Leftover("image", image.id, delete, snapshot, snapshot.vm)


def list_images(
    alias: str, started: datetime, since: datetime | None
) -> list[CloudImage]:
    """List the images of snapshots, unfinished ones included."""
    return clouds.get(alias).images.list_snapshots()


def remove_leftovers(alias: str, listed: Iterable[CloudImage]) -> None:
    """Remove the images of snapshots that failed or are deleted."""
    remove(alias, leftover_images(alias, listed))
