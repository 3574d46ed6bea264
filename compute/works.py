"""What is done for each type of operation, and watched in each service: the one list."""

from collections.abc import Mapping
from functools import partial

from compute.engine.work import Watch, Work
from compute.models import OperationType
from compute.models.cloud import COMPUTE
from compute.services.snapshots import ends as snapshot_ends
from compute.services.snapshots import images
from compute.services.vms import build, drift, ends, leftovers, resizes, verbs
from compute.services.vms.observed import in_listing

_of_vm = partial(
    Work,
    service=COMPUTE,
    look=in_listing(verbs.look),
    settle=ends.settle,
    refused=verbs.refused,
    lock=ends.lock,
)
_of_snapshot = partial(
    Work, service=COMPUTE, settle=snapshot_ends.settle, lock=snapshot_ends.lock
)

WORKS: Mapping[str, Work] = {
    OperationType.VM_CREATE: _of_vm(
        perform=build.perform_create,
        look=in_listing(build.look_create),
        undoable=True,
    ),
    **dict.fromkeys(verbs.PLAIN, _of_vm(perform=verbs.perform_plain)),
    OperationType.VM_REBOOT: _of_vm(perform=verbs.perform_reboot),
    OperationType.VM_RESIZE: _of_vm(
        perform=resizes.perform_resize, look=in_listing(resizes.look)
    ),
    OperationType.VM_REBUILD: _of_vm(perform=verbs.perform_rebuild),
    OperationType.VM_RESTORE: _of_vm(perform=verbs.perform_rebuild),
    OperationType.VM_DELETE: _of_vm(
        perform=build.perform_delete, look=in_listing(build.look_delete)
    ),
    OperationType.SNAPSHOT_CREATE: _of_snapshot(
        perform=images.perform_create, look=in_listing(images.look_create)
    ),
    OperationType.SNAPSHOT_DELETE: _of_snapshot(perform=images.perform_delete),
}

WATCHES = (
    Watch(service=COMPUTE, list=drift.list_servers, follow=drift.follow_servers),
    Watch(
        service="image",
        list=images.list_images,
        follow=images.remove_leftovers,
        lists_changes=False,
    ),
    Watch(
        service="network",
        list=leftovers.list_ports,
        follow=leftovers.remove_ports,
        lists_changes=False,
    ),
)
