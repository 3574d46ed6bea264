"""What is done for each type of operation: the one list of it."""

from collections.abc import Mapping
from functools import partial

from compute.engine.work import Work
from compute.models import OperationType
from compute.services import builds, resizes, settling, snapshots, verbs
from compute.services.observed import in_listing

_of_vm = partial(
    Work,
    look=in_listing(verbs.look),
    settle=settling.settle,
    refused=verbs.refused,
    lock=settling.lock,
)
_of_snapshot = partial(Work, settle=snapshots.settle, lock=snapshots.lock)

WORKS: Mapping[str, Work] = {
    OperationType.VM_CREATE: _of_vm(
        perform=builds.perform_create,
        look=in_listing(builds.look_create),
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
        perform=builds.perform_delete, look=in_listing(builds.look_delete)
    ),
    OperationType.SNAPSHOT_CREATE: _of_snapshot(
        perform=snapshots.perform_create, look=snapshots.look_create
    ),
    OperationType.SNAPSHOT_DELETE: _of_snapshot(perform=snapshots.perform_delete),
}
