"""Resize: one operation for a user, up to three calls to Nova.

Nova stops in VERIFY_RESIZE and wants a confirmation; we give it. A VM that was off
comes back off and is started. Which call is next is read from the server, so that a
worker may take over anywhere.
"""

from compute.engine import calls
from compute.engine.work import Again, Answer, Done, Failed, Waiting
from compute.models import VM, Operation, VMStatus
from compute.services.vms import observed, records, verbs
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.servers import Server, ServerVerb

VERIFY_RESIZE = "VERIFY_RESIZE"


def perform_resize(operation: Operation, cloud: Cloud) -> Answer:
    server_id = VM.objects.get(pk=operation.target_id).server_id
    if not operation.call and operation.attempts == 1:
        return _resize(operation, cloud, server_id)
    server = observed.read(cloud, server_id)
    if server is None:
        return verbs.vanished()
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    return _next(operation, cloud, server)


def _next(operation: Operation, cloud: Cloud, server: Server) -> Answer:
    resized = server.flavor_name == operation.params["flavor_provider_name"]
    if server.status == VERIFY_RESIZE:
        if operation.call == "servers.confirm_resize":
            # No task state tells that the confirmation runs: ask for its record.
            return records.verify(
                operation, cloud, action="confirmResize", server=server
            ) or Again(records.RECORD_POLL_SECONDS)
        return _act(operation, cloud, server.id, "confirm_resize", progress=70)
    if resized and server.status == "ACTIVE":
        return Done(VMStatus.ACTIVE, server)
    if resized and server.status == "SHUTOFF":
        if operation.call == "servers.start":
            failed = records.verify(operation, cloud, action="start", server=server)
            return failed or Again(records.RECORD_POLL_SECONDS)
        return _act(operation, cloud, server.id, "start", progress=90)
    if server.status == "ERROR":
        return Failed(observed.fault_problem(server), VMStatus.ERROR, server)
    if operation.call == "servers.resize":
        failed = records.verify(operation, cloud, action="resize", server=server)
        return failed or Again(records.RECORD_POLL_SECONDS)
    return _resize(operation, cloud, server.id)


def _resize(operation: Operation, cloud: Cloud, server_id: str) -> Answer:
    def request(request_id: str) -> Receipt:
        return cloud.servers.resize(
            server_id,
            flavor_id=operation.params["flavor_provider_id"],
            request_id=request_id,
        )

    calls.send(operation, "servers.resize", request)
    return Waiting(step="resize", progress=20)


def _act(
    operation: Operation,
    cloud: Cloud,
    server_id: str,
    verb: ServerVerb,
    *,
    progress: int,
) -> Answer:
    def request(request_id: str) -> Receipt:
        return cloud.servers.act(server_id, verb, request_id=request_id)

    calls.send(operation, f"servers.{verb}", request)
    return Waiting(step=verb, progress=progress)


def look(operation: Operation, server: Server) -> Answer:
    """Read from a listing whether the next call is due, or the end is there."""
    if observed.is_gone(server):
        return verbs.vanished()
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    resized = server.flavor_name == operation.params["flavor_provider_name"]
    if server.status == "ACTIVE" and resized:
        return Done(VMStatus.ACTIVE, server)
    if server.status == VERIFY_RESIZE and operation.call == "servers.confirm_resize":
        # Nova stays here for a moment, and without a task state.
        return Waiting(step="confirm_resize", progress=70)
    return Again()
