"""How operations on VMs end: the VM settles on what the cloud says."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from compute import clouds
from compute.engine import queue
from compute.engine.work import Cancelled, Done, End, Failed
from compute.errors import Problem, ServerVanished
from compute.models import (
    VM,
    Flavor,
    FloatingIP,
    Image,
    Operation,
    OperationType,
    Port,
    VMStatus,
)
from compute.models.kinds import held_by
from compute.models.lifecycle import GONE, MOVING
from compute.services import quotas, rows, vm_networks
from compute.services.vms import observed
from providers.contract.ports import Port as CloudPort
from providers.contract.servers import Server
from providers.errors import NotFound, ProviderError


def lock(operation: Operation) -> VM:
    """Lock the VM that an operation is about."""
    return VM.locked(operation.target_id)


def settle(operation: Operation, end: End) -> None:
    """End an operation on a VM: settle the VM on what the cloud says, and say so.

    Does nothing if somebody else ended it first.
    """
    if isinstance(end, Failed) and end.status is None:
        end = _where_it_rests(operation, end)
    with transaction.atomic():
        # Before the VM, as every request does: one lock order.
        leading = vm_networks.lock_leading_to(operation.target_id)
        vm = lock(operation)
        if not queue.close(operation, end):
            return
        problem = end.problem if isinstance(end, Failed) else None
        held = held_by(vm)
        server = _server(end)
        if server is not None:
            observed.note(vm, server)
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
        detached = _settle_ports(vm, operation, end, leading)
        changed = rows.save(vm, touch=True)
        quotas.settle(vm.project_id, before=held, after=held_by(vm))
        rows.record_end(operation, changed, *map(rows.save, detached))


def _settle_ports(
    vm: VM, operation: Operation, end: End, leading: Sequence[FloatingIP]
) -> list[FloatingIP]:
    """Show the ports that a VM has now; return the floating IPs that led to others."""
    gone: Iterable[Port] = ()
    own = operation.params.get("port")
    done = isinstance(end, Done)
    if vm.deleted_at is not None or (vm.lacks_server and not vm.has_server):
        gone = vm_networks.ports_of(vm)
    elif own and done == (operation.type == OperationType.VM_DETACH_NETWORK):
        gone = vm_networks.ports_of(vm).filter(pk=own)
    elif own and isinstance(end, Done) and isinstance(end.seen, CloudPort):
        for port in vm_networks.ports_of(vm).filter(pk=own):
            vm_networks.note_all(port, end.seen)
    elif operation.type == OperationType.VM_SET_SECURITY_GROUPS:
        _settle_groups(vm, operation, end)
    detached = vm_networks.remove(gone, leading)
    vm_networks.show(vm, leading=leading)
    return detached


def _settle_groups(vm: VM, operation: Operation, end: End) -> None:
    if isinstance(end, Failed):
        return  # perhaps in the middle: the next pass shows what there is
    before = operation.params["before"]
    for port in vm_networks.ports_of(vm):
        groups = operation.params["security_groups"]
        if isinstance(end, Cancelled):
            groups = before.get(str(port.pk), ())
        port.security_groups.set(groups)


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

    What is done to a VM that stays in ERROR does not hide what brought it there.
    """
    lost = isinstance(problem, ServerVanished) and not vm.lacks_server
    if lost:
        vm.observed_status = GONE
    stays = vm.status == operation.from_status == VMStatus.ERROR
    if lost or not (stays and vm.error):
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
    elif vm.status in MOVING:
        vm.settle(VMStatus(status))
    elif vm.status != status:
        # The action leaves the status as it is, so it was changed outside.
        vm.follow(VMStatus(status))


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
