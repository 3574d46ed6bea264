"""How things end: settle a VM on what the cloud says, and follow what it says later.

Three facts, three writers: what was asked is the Operation, what the cloud said is
``observed_status``, what we show is ``status``. Nothing is corrected while an
operation lives.
"""

from datetime import datetime

from django.db import transaction
from django.db.models import F

from compute import clouds, events
from compute.engine import queue
from compute.engine.work import Cancelled, Done, End, Failed
from compute.errors import Problem, ServerVanished
from compute.events import SYSTEM, Actor
from compute.models import (
    VM,
    Flavor,
    Image,
    Operation,
    OperationType,
    VMStatus,
)
from compute.models.lifecycle import GONE
from compute.services import observed, quotas
from providers.contract.servers import Server
from providers.errors import NotFound, ProviderError


def lock(operation: Operation) -> VM:
    """Lock the VM that an operation is about."""
    return VM.objects.locked(operation.target_id)


def settle(operation: Operation, end: End) -> None:
    """End an operation on a VM: settle the VM on what the cloud says, and say so.

    Does nothing if somebody else ended it first.
    """
    if isinstance(end, Failed) and end.status is None:
        end = _where_it_rests(operation, end)
    with transaction.atomic():
        vm = lock(operation)
        if not queue.close(operation, end):
            return
        problem = end.problem if isinstance(end, Failed) else None
        before, held = vm.status, quotas.held_by(vm)
        server = _server(end)
        if server is not None:
            note(vm, server)
        if isinstance(end, Cancelled):  # which leaves all as it was
            _rest(vm, operation.from_status or VMStatus.DELETED)
        else:
            _rest(vm, end.status or operation.end_status)
            _note_end(vm, operation, problem)
        if operation.type == OperationType.VM_CREATE:
            # Passwords are often in it, and the server has it, or never will.
            vm.user_data = ""
        if isinstance(end, Done) or _is_resized(operation, server):
            _take_over(vm, operation)
        _release(vm)
        vm.save_changes(touch=True)
        quotas.settle(vm.project_id, before=held, after=quotas.held_by(vm))
        _record_end(vm, operation, before=before, actor=_actor(operation))


def _server(end: End) -> Server | None:
    """Return the server as the cloud showed it at the end."""
    seen = None if isinstance(end, Cancelled) else end.seen
    return seen if isinstance(seen, Server) else None


def _where_it_rests(operation: Operation, failed: Failed) -> Failed:
    """Ask the cloud where a failed operation has left its VM."""
    before = operation.from_status or VMStatus.ERROR  # nothing was before a create
    server = _server(failed)
    try:
        if server is None:
            server = _read(operation)
    except NotFound:
        gone = ServerVanished("The server no longer exists in the cloud.")
        return Failed(gone, VMStatus.ERROR)
    except ProviderError:
        return Failed(failed.problem, before)
    if server is None or operation.type == OperationType.VM_CREATE:
        return Failed(failed.problem, before, server)
    # It still moves: ERROR is for the cloud to say, a pass sees where it ends.
    status = observed.RESTING_STATUSES.get(server.status) or before
    return Failed(failed.problem, status, server)


def _read(operation: Operation) -> Server | None:
    """Return the server of an operation; ``None``: there is none, or no such cloud."""
    server_id = VM.objects.get(pk=operation.target_id).server_id
    if not server_id or operation.cloud not in clouds.aliases():
        return None
    return clouds.get(operation.cloud).servers.get(server_id)


def _note_end(vm: VM, operation: Operation, problem: Problem | None) -> None:
    """Show the problem that an operation ended with, or that there is none any more.

    What is tried in vain on a VM in ERROR does not hide what brought it there.
    """
    lost = isinstance(problem, ServerVanished) and not vm.lacks_server
    if lost:
        vm.observed_status = GONE
    stays = vm.status == operation.from_status == VMStatus.ERROR
    if problem is None or lost or not (stays and vm.error):
        vm.error = problem.document() if problem else None


def _release(vm: VM) -> None:
    """Give back what a resize held, and all of it if there is no server.

    A create that failed before there was one leaves an ERROR to look at, and nothing
    in the cloud.
    """
    vm.reserved_vcpus = vm.reserved_ram_mb = vm.reserved_disk_gb = 0
    vm.counted = vm.deleted_at is None and not vm.lacks_server


def _rest(vm: VM, status: str) -> None:
    if status == VMStatus.DELETED:
        vm.mark_deleted()
    else:
        vm.settle(VMStatus(status))


def _actor(operation: Operation) -> Actor:
    return Actor(SYSTEM.name, request_id=operation.request_id)


def _record_end(vm: VM, operation: Operation, *, before: str, actor: Actor) -> None:
    events.record(
        "operation.finished",
        actor=actor,
        subject=vm,
        operation=operation,
        data={"status": operation.status, "error": operation.error},
    )
    events.record(
        "vm.deleted" if vm.deleted_at else "vm.updated",
        actor=actor,
        subject=vm,
        operation=operation,
        data={"status": [before, vm.status]},
    )


def _is_resized(operation: Operation, server: Server | None) -> bool:
    """Whether a resize that failed has changed the size all the same.

    Its confirmation or the start after it may be what failed.
    """
    return (
        operation.type == OperationType.VM_RESIZE
        and server is not None
        and server.flavor_name == operation.params["flavor_provider_name"]
    )


def _take_over(vm: VM, operation: Operation) -> None:
    """Show what a resize or rebuild gave the VM."""
    if operation.type == OperationType.VM_RESIZE:
        size = Flavor.objects.get(pk=operation.params["flavor_id"])
        vm.flavor_name, vm.flavor = operation.params["flavor"], size
        vm.vcpus, vm.ram_mb, vm.disk_gb = size.vcpus, size.ram_mb, size.disk_gb
    if operation.type == OperationType.VM_REBUILD:
        vm.image_name = operation.params["image"]
        vm.image = Image.objects.get(pk=operation.params["image_id"])


#: Changes made outside that an event tells, beside the status.
_TOLD = ("addresses", "flavor_name", "vcpus", "ram_mb", "disk_gb")


def note(vm: VM, server: Server) -> None:
    """Take over what the cloud says beside the status."""
    vm.observed_status = server.status
    vm.observed_at = server.updated_at
    vm.addresses = observed.addresses_of(server)
    vm.never_launched = server.launched_at is None
    vm.missing_since = None


def differs(vm: VM, server: Server, status: VMStatus) -> bool:
    """Whether a server at rest shows anything that the VM does not."""
    return (
        vm.status != status
        or vm.observed_status != server.status
        or vm.addresses != observed.addresses_of(server)
        or vm.never_launched != (server.launched_at is None)
        or _has_other_size(vm, server)
    )


def _has_other_size(vm: VM, server: Server) -> bool:
    if not server.flavor_name:  # a cell that is down tells no size
        return False
    # As sent it may be an id.
    names = {vm.flavor_name, vm.flavor.name if vm.flavor else ""}
    size = (vm.vcpus, vm.ram_mb, vm.disk_gb)
    return (
        server.flavor_name not in names
        or (server.vcpus, server.ram_mb, server.disk_gb) != size
    )


def _note_size(vm: VM, server: Server) -> None:
    """Take over the size of a server that was resized outside."""
    if not _has_other_size(vm, server):
        return
    offered = Flavor.objects.filter(cloud=vm.cloud, name=server.flavor_name)
    vm.flavor_name = server.flavor_name
    vm.flavor = offered.order_by(F("vanished_at").desc(nulls_first=True)).first()
    vm.vcpus, vm.ram_mb, vm.disk_gb = server.vcpus, server.ram_mb, server.disk_gb


def _may_correct(vm: VM, seen_at: datetime) -> bool:
    """Whether what the cloud said then is newer than all we did ourselves."""
    if vm.deleted_at is not None:
        return False
    ended = vm.operation.finished_at if vm.operation else None
    return vm.live_operation is None and (ended is None or ended < seen_at)


def follow(vm: VM, server: Server, status: VMStatus, *, seen_at: datetime) -> bool:
    """Take over a change made outside, unless an operation lives; say if it did.

    ``seen_at`` is when the listing that tells it was asked for: one older than the
    end of an operation does not undo it.
    """
    with transaction.atomic():
        vm = VM.objects.locked(vm.pk)
        if not _may_correct(vm, seen_at):
            return False
        before, held = {name: getattr(vm, name) for name in _TOLD}, quotas.held_by(vm)
        offered = vm.allowed_actions
        drifted = vm.lacks_server or status != vm.status
        note(vm, server)
        _note_size(vm, server)
        # It is there, whatever the limit says.
        vm.counted = True
        quotas.settle(vm.project_id, before=held, after=quotas.held_by(vm))
        changes = {
            name: [value, getattr(vm, name)]
            for name, value in before.items()
            if getattr(vm, name) != value
        }
        if not drifted:
            if vm.allowed_actions != offered:
                changes["allowed_actions"] = [offered, vm.allowed_actions]
            vm.save_changes(touch=bool(changes))
            if changes:
                events.record("vm.updated", actor=SYSTEM, subject=vm, data=changes)
            return bool(changes)
        changes["status"] = [vm.status, status]
        vm.follow(status)
        vm.error = (
            observed.fault_problem(server).document()
            if status == VMStatus.ERROR
            else None
        )
        vm.save_changes()
        events.record("vm.drifted", actor=SYSTEM, subject=vm, data=changes)
    return True


def note_unrest(vm: VM, server: Server) -> None:
    """Note what the cloud says of a server that somebody else moves.

    Operators see it (VERIFY_RESIZE, MIGRATING, UNKNOWN, …); our status follows when the
    server rests. One that was gone is back only then.
    """
    if vm.observed_status != server.status and not vm.lacks_server:
        VM.objects.filter(pk=vm.pk, observed_status=vm.observed_status).update(
            observed_status=server.status, observed_at=server.updated_at
        )


def miss(vm: VM, *, absent_since: datetime) -> None:
    """Note that a complete listing lacked the server; the second time it is proof."""
    if vm.missing_since is None:
        VM.objects.filter(pk=vm.pk, missing_since=None).update(
            missing_since=absent_since
        )
    elif vm.missing_since < absent_since:
        vanish(vm, seen_at=absent_since)


def vanish(vm: VM, *, seen_at: datetime) -> bool:
    """Show a VM whose server is gone as ERROR, unless an operation lives.

    Its quotas are given back: nothing is in the cloud, and only a delete is left.
    """
    with transaction.atomic():
        vm = VM.objects.locked(vm.pk)
        if vm.lacks_server or not _may_correct(vm, seen_at):
            return False
        problem = ServerVanished("The server was deleted outside this service.")
        before, held = vm.status, quotas.held_by(vm)
        vm.follow(VMStatus.ERROR)
        vm.error = problem.document()
        vm.observed_status, vm.counted = GONE, False
        vm.save_changes()
        quotas.settle(vm.project_id, before=held, after=quotas.held_by(vm))
        events.record(
            "vm.drifted",
            actor=SYSTEM,
            subject=vm,
            data={"status": [before, vm.status], "error": vm.error},
        )
    return True
