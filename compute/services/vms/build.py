"""Create and delete: a server comes into being once, and goes for good."""

from collections.abc import Sequence

from compute.cloud_errors import from_provider
from compute.engine import calls, queue, runner
from compute.engine.work import Again, Answer, Cancelled, Done, Failed, Waiting
from compute.errors import ServerVanished, stored
from compute.models import VM, Operation, VMStatus
from compute.services import ports
from compute.services.resources.calls import give_up
from compute.services.vms import keys, observed, records
from compute.services.vms.user_data import decode
from providers import errors
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.servers import Server, ServerSpec

#: A server Nova has just made may not show up for a moment.
VISIBLE_AFTER_SECONDS = 60.0


def perform_create(operation: Operation, cloud: Cloud) -> Answer:
    """Create the server, or find the one that was created before.

    The VM's id goes into a tag of the create call itself, and is looked for before
    the call is ever repeated.
    """
    vm = VM.objects.select_related("keypair").get(pk=operation.target_id)
    if operation.cancel_requested:
        return _undo(operation, cloud, vm)
    if problem := operation.params.get("problem"):
        again = ports.delete_all(cloud, operation, vm)
        return again or Failed(stored(problem), VMStatus.ERROR)
    if operation.call in ("", "ports.create") and not vm.server_id:
        return _create(operation, cloud, vm)
    if not vm.server_id and not _adopt(operation, cloud, vm):
        remaining = calls.may_still_arrive(operation, cloud)
        return Again(remaining) if remaining > 0 else _create(operation, cloud, vm)
    try:
        return look_create(operation, cloud.servers.get(vm.server_id))
    except errors.NotFound:
        return _unseen(operation)


def _create(operation: Operation, cloud: Cloud, vm: VM) -> Answer:
    try:
        port_ids = ports.create_all(cloud, operation, vm)
        if isinstance(port_ids, Again):
            return port_ids
        return _create_server(operation, cloud, vm, port_ids)
    except errors.ProviderError as error:
        if not ports.are_managed(vm.pk):
            raise
        holder = ports.holder(cloud, vm) if isinstance(error, errors.Conflict) else ""
        if not holder:
            return give_up(operation, error)
        # A request before this one, which was lost, made a server that has the ports.
        _remember(operation, vm, holder)
        return Waiting(step="scheduling", progress=10)


def _create_server(
    operation: Operation, cloud: Cloud, vm: VM, port_ids: Sequence[str]
) -> Answer:
    try:
        key_name = keys.lend(operation, cloud, vm)
    except errors.QuotaExceeded as full:
        # Of keypairs: the copies of other builds go soon.
        return runner.retry(operation) or Failed(from_provider(full), VMStatus.ERROR)
    spec = ServerSpec(
        name=vm.name,
        flavor_id=operation.params["flavor_provider_id"],
        image_id=operation.params["image_provider_id"],
        tag=str(vm.pk),
        port_ids=port_ids,
        # For people: Horizon shows metadata, and no tags.
        metadata={"vm_id": str(vm.pk)},
        user_data=decode(vm.user_data, vm.user_data_encoding),
        key_name=key_name,
    )

    def request(request_id: str) -> Receipt:
        return cloud.servers.create(spec, request_id=request_id)

    try:
        receipt = calls.send(operation, "servers.create", request)
    except errors.ProviderError as error:
        if not error.ambiguous and queue.hold(operation):
            # Refused: nothing is on its way that could need it.
            keys.take_back(operation, cloud, vm)
        raise
    _remember(operation, vm, receipt.created_id or "")
    keys.take_back(operation, cloud, vm)
    return Waiting(step="scheduling", progress=10)


def _remember(operation: Operation, vm: VM, server_id: str) -> None:
    """Store the server's id, unless the operation was ended meanwhile.

    Then the server is nobody's, and the next pass removes it.
    """
    mine = VM.objects.filter(pk=vm.pk, operation=operation, status=vm.status)
    if not mine.update(server_id=server_id):
        raise calls.ClaimLostError
    vm.server_id = server_id


def _adopt(operation: Operation, cloud: Cloud, vm: VM) -> bool:
    """Take over a server that carries the VM's tag; remove any second one.

    Return whether the VM has a server now. A second one exists when the answer to a
    create was lost and the server showed only after the call was repeated.
    """
    servers = sorted(
        (s for s in cloud.servers.find(tag=str(vm.pk)) if not observed.is_gone(s)),
        key=lambda server: (server.created_at, server.id),
    )
    if servers and not vm.server_id:
        _remember(operation, vm, servers[0].id)
    for server in servers:
        if server.id != vm.server_id:
            cloud.servers.delete(server.id, request_id=calls.request_id(operation))
    if vm.server_id:
        keys.take_back(operation, cloud, vm)
    return bool(vm.server_id)


def _unseen(operation: Operation) -> Answer:
    if not calls.older_than(operation, VISIBLE_AFTER_SECONDS):
        return Again(records.RECORD_POLL_SECONDS)
    return Failed(
        ServerVanished("The server vanished while it was built."), VMStatus.ERROR
    )


def look_create(operation: Operation, server: Server) -> Answer:
    """Read from a listing how far the build, or its removal, has come."""
    if operation.cancel_requested:
        if operation.call != "servers.delete":
            return Again()
        if not observed.is_gone(server):
            return Waiting("cancelling")
        return Again() if ports.are_managed(operation.target_id) else Cancelled()
    if observed.is_gone(server):
        return Failed(
            ServerVanished("The server was deleted while it was built."),
            VMStatus.ERROR,
            server,
        )
    if server.status == "ERROR":
        return Failed(observed.fault_problem(server), VMStatus.ERROR, server)
    status = observed.resting_status(server)
    if status is None:
        step = server.task_state or server.status.lower()
        return Waiting(step, observed.BUILD_PROGRESS.get(step, 10))
    return Done(status, server)


def _undo(operation: Operation, cloud: Cloud, vm: VM) -> Answer:
    """Remove what a cancelled create has built so far."""
    if operation.call in ("ports.create", "ports.delete"):
        return ports.delete_all(cloud, operation, vm) or Cancelled()
    answer = _undo_server(operation, cloud, vm)
    return _and_ports(operation, cloud, vm, answer)


def _and_ports(operation: Operation, cloud: Cloud, vm: VM, answer: Answer) -> Answer:
    """Delete the ports too, once the server is gone: they survive it."""
    if isinstance(answer, Done | Cancelled):
        return ports.delete_all(cloud, operation, vm) or answer
    return answer


def _undo_server(operation: Operation, cloud: Cloud, vm: VM) -> Answer:
    if operation.call != "servers.delete" and not _adopt(operation, cloud, vm):
        remaining = calls.may_still_arrive(operation, cloud)
        if remaining > 0:
            return Again(remaining)
        keys.take_back(operation, cloud, vm)
        return Cancelled()
    if operation.call == "servers.create":
        try:
            cloud.servers.get(vm.server_id)
        except errors.NotFound:
            # A delete of what does not show yet would take it for gone.
            if not calls.older_than(operation, VISIBLE_AFTER_SECONDS):
                return Again(records.RECORD_POLL_SECONDS)
    return _remove(operation, cloud, vm, done=Cancelled())


def perform_delete(operation: Operation, cloud: Cloud) -> Answer:
    """Delete the server; one that is gone already counts as deleted."""
    vm = VM.objects.get(pk=operation.target_id)
    answer = _delete_server(operation, cloud, vm)
    return _and_ports(operation, cloud, vm, answer)


def _delete_server(operation: Operation, cloud: Cloud, vm: VM) -> Answer:
    if operation.call == "ports.delete":
        return Done(VMStatus.DELETED)
    # A second server of the VM, should there be one, is for the passes to remove.
    if not vm.server_id and not _adopt(operation, cloud, vm):
        return Done(VMStatus.DELETED)
    return _remove(operation, cloud, vm, done=Done(VMStatus.DELETED))


def _remove(operation: Operation, cloud: Cloud, vm: VM, *, done: Answer) -> Answer:
    if operation.call == "servers.delete":
        try:
            server = cloud.servers.get(vm.server_id)
        except errors.NotFound:
            return done
        if observed.is_gone(server):
            return done
        if server.task_state == "deleting" and not operation.receipt:
            return _insist(operation, cloud, server)
        if server.task_state is not None:
            return Waiting(step=server.task_state)
        answer = records.verify(operation, cloud, action="delete", server=server)
        return answer or Again(records.RECORD_POLL_SECONDS)

    def request(request_id: str) -> Receipt:
        return cloud.servers.delete(vm.server_id, request_id=request_id)

    try:
        calls.send(operation, "servers.delete", request)
    except errors.NotFound:
        return done
    return Waiting(step="deleting")


def _insist(operation: Operation, cloud: Cloud, server: Server) -> Answer:
    """Repeat a delete that was begun and never accepted, which Nova permits.

    It answers 500 where Neutron is away, and leaves the server in that task indefinitely.
    """
    if records.record_of(operation, cloud, action="delete", server_id=server.id):
        return Waiting(step="deleting")
    calls.forget(operation)
    return Again()


def look_delete(operation: Operation, server: Server) -> Answer:
    """Read from a listing whether the server is gone."""
    if observed.is_gone(server):
        # Its ports survive it.
        left = ports.are_managed(operation.target_id)
        return Again() if left else Done(VMStatus.DELETED)
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    return Again()
