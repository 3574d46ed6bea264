"""The actions that are one call to the cloud: start, stop, reboot, rebuild, …

Each has a perform function: send the call, or find out what became of it. They share
`look`, which reads the end from a listing.
"""

from collections.abc import Callable

from compute.errors import OpenStackError, ServerVanished
from compute.models import Operation
from compute.services import calls, observed
from compute.services.outbox import Again, Done, Failed, Outcome, Waiting
from providers import errors
from providers.base import Provider, Receipt, Server


def perform_start(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.start_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "start_server", "start", request)


def perform_stop(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.stop_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "stop_server", "stop", request)


def perform_reboot(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.reboot_server(
            _server_id(operation),
            hard=operation.params["type"] == "HARD",
            request_id=request_id,
        )

    return _perform(operation, provider, "reboot_server", "reboot", request)


def perform_rebuild(operation: Operation, provider: Provider) -> Outcome:
    """Rebuild from an image; a restore is one from the VM's own snapshot."""

    def request(request_id: str) -> Receipt:
        return provider.rebuild_server(
            _server_id(operation),
            image_id=operation.params["image_provider_id"],
            request_id=request_id,
        )

    return _perform(operation, provider, "rebuild_server", "rebuild", request)


def perform_pause(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.pause_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "pause_server", "pause", request)


def perform_unpause(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.unpause_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "unpause_server", "unpause", request)


def perform_suspend(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.suspend_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "suspend_server", "suspend", request)


def perform_resume(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.resume_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "resume_server", "resume", request)


def perform_shelve(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.shelve_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "shelve_server", "shelve", request)


def perform_unshelve(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.unshelve_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "unshelve_server", "unshelve", request)


def perform_rescue(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.rescue_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "rescue_server", "rescue", request)


def perform_unrescue(operation: Operation, provider: Provider) -> Outcome:
    def request(request_id: str) -> Receipt:
        return provider.unrescue_server(_server_id(operation), request_id=request_id)

    return _perform(operation, provider, "unrescue_server", "unrescue", request)


def _server_id(operation: Operation) -> str:
    return operation.vm.server_id if operation.vm else ""


def _perform(
    operation: Operation,
    provider: Provider,
    call: str,
    action: str,
    request: Callable[[str], Receipt],
) -> Outcome:
    if not operation.call:
        calls.send(operation, call, request)
        return Waiting(step=action)
    try:
        server = provider.get_server(_server_id(operation))
    except errors.NotFound:
        return vanished()
    if observed.is_gone(server):
        return vanished()
    outcome = calls.verify(operation, provider, action=action, server=server)
    if outcome is not None:
        return outcome
    # Succeeded by the record: the status the server rests in must agree.
    server = provider.get_server(server.id)
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


def look(operation: Operation, server: Server) -> Outcome:
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


def vanished() -> Failed:
    """Return the end of an operation whose server is gone."""
    return Failed(
        ServerVanished("The server no longer exists in the cloud."), status="ERROR"
    )
