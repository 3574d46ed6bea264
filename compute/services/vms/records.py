"""What became of a call to a server, by the cloud's own record of it.

Nova accepts an action with 202 and may then fail without a word: the record of that
one action tells.
"""

from datetime import timedelta
from itertools import takewhile

from django.utils import timezone

from compute.engine import calls
from compute.engine.work import Again, Answer, Failed, Waiting
from compute.errors import OpenStackError
from compute.models import Operation
from providers import errors
from providers.contract.cloud import Cloud
from providers.contract.servers import Server, ServerAction

#: Clocks of the cloud and ours may differ by this much.
CLOCK_SKEW = timedelta(seconds=5)
#: How long the cloud may take to record an action it accepted.
RECORD_GRACE = timedelta(seconds=30)
#: How soon to ask again for a record that is not finished, in seconds.
RECORD_POLL_SECONDS = 1.0
#: Not harmless when carried out twice, one after the other: a restart or a wiped disk
#: too many; and of a second confirmation Nova says 400 while the first is under way. Of
#: all others the server's status shows the end, and Nova refuses them there.
ONCE_ONLY = frozenset(
    {"servers.rebuild", "servers.reboot", "servers.resize", "servers.confirm_resize"}
)


def record_of(
    operation: Operation, cloud: Cloud, *, action: str, server_id: str
) -> ServerAction | None:
    """Return the cloud's record of the call under way.

    A call whose answer was lost is recognised as the newest record of its action that is
    newer than those of other operations of ours, and not older than the call.
    """
    if not operation.receipt and not _find_receipt(
        operation, cloud, action=action, server_id=server_id
    ):
        return None
    try:
        return cloud.servers.get_action(server_id, operation.receipt)
    except errors.NotFound:  # Nova's first moments
        return None


def _find_receipt(
    operation: Operation, cloud: Cloud, *, action: str, server_id: str
) -> bool:
    if operation.issued_at is None:
        return False
    earliest = operation.issued_at - CLOCK_SKEW
    newest = cloud.servers.list_actions(server_id)
    taken = set(
        Operation.objects.about("vm", operation.target_id)
        .filter(receipt__in=[record.request_id for record in newest])
        .values_list("receipt", flat=True)
    )
    # One operation at a time has a VM: what is older than a call of another one is of
    # that one or of one before, of which only the last receipt is known.
    since = takewhile(lambda record: record.request_id not in taken, newest)
    lost = next((r for r in since if r.action == action), None)
    if lost is None or lost.started_at < earliest:
        return False
    operation.receipt = lost.request_id
    operation.save(update_fields=["receipt"])
    return True


def verify(
    operation: Operation, cloud: Cloud, *, action: str, server: Server
) -> Answer | None:
    """Say from the cloud's record what became of the call under way.

    ``None``: it succeeded as far as the cloud knows. `Again` with the call forgotten:
    it never arrived and may be sent again.
    """
    record = record_of(operation, cloud, action=action, server_id=server.id)
    if record is None:
        return _unrecorded(operation, cloud, server=server)
    if not record.finished:
        if server.task_state is not None:
            return Waiting(step=server.task_state)
        return Again(RECORD_POLL_SECONDS)
    if record.error is not None:
        reason = server.fault.message if server.fault else record.error
        return Failed(
            OpenStackError(
                f"The cloud accepted {action} but did not carry it out: {reason}",
                openstack={
                    "service": "nova",
                    "status": server.fault.code if server.fault else None,
                    "message": reason,
                    "request_id": record.request_id,
                },
            ),
            seen=server,
        )
    return None


def _unrecorded(operation: Operation, cloud: Cloud, *, server: Server) -> Answer | None:
    if operation.receipt and operation.issued_at is not None:
        if timezone.now() < operation.issued_at + RECORD_GRACE:
            return Again(RECORD_POLL_SECONDS)
        # Accepted, yet the cloud kept no record: only the status can tell.
        return None
    if server.task_state is not None:
        return Waiting(step=server.task_state)
    remaining = calls.may_still_arrive(operation, cloud)
    if remaining > 0 and operation.call in ONCE_ONLY:
        return Again(remaining)
    calls.forget(operation)
    return Again()
