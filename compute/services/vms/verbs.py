"""The actions that are one call to the cloud: start, stop, reboot, rebuild, …

Each has a perform function: send the call, or find out what became of it. They share
`look`, which reads the end from a listing.
"""

from collections.abc import Mapping
from functools import partial
from typing import Protocol, get_args

from compute.cloud_errors import from_provider
from compute.engine import calls, runner
from compute.engine.work import Again, Answer, Done, Failed, Waiting
from compute.errors import OpenStackError, ServerVanished
from compute.models import VM, Operation, OperationType
from compute.services.vms import observed, records
from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.servers import Server, ServerVerb
from providers.errors import Conflict, NotFound, ProviderError

#: Operations that are a verb of the contract and no more. They want nothing but the
#: status they end in, no matter who brought the server there.
PLAIN: Mapping[str, ServerVerb] = {
    f"vm.{verb}": verb
    for verb in get_args(ServerVerb)
    if f"vm.{verb}" in OperationType.values
}


class Verb(Protocol):
    """A change of a server that takes nothing else any more."""

    def __call__(self, server_id: str, *, request_id: str) -> Receipt: ...


def perform_plain(operation: Operation, cloud: Cloud) -> Answer:
    verb = PLAIN[operation.type]
    act = partial(cloud.servers.act, verb=verb)
    return _perform(operation, cloud, verb, act)


def perform_reboot(operation: Operation, cloud: Cloud) -> Answer:
    hard = operation.params["type"] == "HARD"
    reboot = partial(cloud.servers.reboot, hard=hard)
    return _perform(operation, cloud, "reboot", reboot)


def perform_rebuild(operation: Operation, cloud: Cloud) -> Answer:
    """Rebuild from an image; a restore is one from the VM's own snapshot."""
    image_id = operation.params["image_provider_id"]
    rebuild = partial(cloud.servers.rebuild, image_id=image_id)
    return _perform(operation, cloud, "rebuild", rebuild)


def _perform(operation: Operation, cloud: Cloud, action: str, verb: Verb) -> Answer:
    """Send the verb, or find out what became of it.

    ``action`` is Nova's name of it in the server's records.
    """
    server_id = VM.objects.get(pk=operation.target_id).server_id
    if not operation.call:
        calls.send(
            operation,
            f"servers.{action}",
            lambda request_id: verb(server_id, request_id=request_id),
        )
        return Waiting(step=action)
    server = observed.read(cloud, server_id)
    if server is None:
        return vanished()
    if _is_done(operation, server):
        return Done(operation.end_status, server)
    answer = records.verify(operation, cloud, action=action, server=server)
    if answer is not None:
        return answer
    # Succeeded by the record: the status the server rests in must agree.
    server = cloud.servers.get(server.id)
    status = observed.resting_status(server)
    if status is None:
        return Waiting(step=server.task_state or server.status.lower())
    if status == operation.end_status:
        return Done(status, server)
    if status == "ERROR":
        return Failed(observed.fault_problem(server), status, server)
    return Failed(
        OpenStackError(f"The cloud ended {action}, but the server is {server.status}."),
        status,
        server,
    )


def look(operation: Operation, server: Server) -> Answer:
    """Read from a listing how far the cloud has come.

    Where the status alone cannot tell success from silent failure (a reboot ends as
    it began, a refused stop leaves no trace) a worker asks for the action's record.
    """
    if observed.is_gone(server):
        return vanished()
    status = observed.resting_status(server)
    if status is None:
        return Waiting(step=server.task_state or server.status.lower())
    if status == operation.end_status != operation.from_status:
        return Done(status, server)
    return Again()


def refused(operation: Operation, cloud: Cloud, error: Conflict | NotFound) -> Answer:
    """Read a server that refused again: it may be gone, or busy for a moment.

    Nova's tasks end a little after their result shows, and a server it has just made
    may not be known everywhere.
    """
    server_id = VM.objects.get(pk=operation.target_id).server_id
    if not server_id:
        return Failed(from_provider(error))
    try:
        server = observed.read(cloud, server_id)
    except ProviderError as silence:
        again = runner.retry(operation, silence)
        return again or Failed(from_provider(error))
    if server is None:
        return vanished()
    if server.task_state is not None or isinstance(error, NotFound):
        again = runner.retry(operation)
        if again is not None:
            return again
    if _is_done(operation, server):
        return Done(operation.end_status, server)
    return Failed(from_provider(error), seen=server)


def _is_done(operation: Operation, server: Server) -> bool:
    """Say whether a server rests where a verb was to bring it.

    If so a refusal is no failure: somebody was faster, or a call of ours that was taken
    for lost came in late.
    """
    return (
        operation.type in PLAIN
        and observed.resting_status(server) == operation.end_status
    )


def vanished() -> Failed:
    """Return the end of an operation whose server is gone."""
    return Failed(
        ServerVanished("The server no longer exists in the cloud."), status="ERROR"
    )
