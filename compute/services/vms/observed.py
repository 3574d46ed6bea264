"""What a server's own words mean in ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from compute.engine.work import Again, Answer, Look
from compute.errors import OpenStackError
from compute.models import VM, Operation, VMStatus
from providers.contract.cloud import Cloud
from providers.contract.servers import Server
from providers.errors import NotFound

#: Nova's status of a server at rest -> ours. Whatever is missing here
#: (VERIFY_RESIZE, MIGRATING, UNKNOWN, …) is on its way somewhere, or unknown.
RESTING_STATUSES = {
    "ACTIVE": VMStatus.ACTIVE,
    "SHUTOFF": VMStatus.SHUTOFF,
    "PAUSED": VMStatus.PAUSED,
    "SUSPENDED": VMStatus.SUSPENDED,
    "SHELVED": VMStatus.SHELVED_OFFLOADED,
    "SHELVED_OFFLOADED": VMStatus.SHELVED_OFFLOADED,
    "RESCUE": VMStatus.RESCUE,
    "ERROR": VMStatus.ERROR,
}
#: Gone for us: Nova may still show it for a while.
GONE_STATUSES = frozenset({"DELETED", "SOFT_DELETED"})

#: How far a build has come, by Nova's task_state, in percent.
BUILD_PROGRESS = {
    "scheduling": 20,
    "networking": 40,
    "block_device_mapping": 50,
    "spawning": 70,
}
#: How long a server that is being deleted may go unmentioned until it is asked for.
SILENCE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Listing:
    """The servers that one pass has listed, of which every page arrived."""

    started: datetime
    #: Whether that is all servers, and not only those that have changed.
    full: bool
    #: By id.
    servers: Mapping[str, Server]
    #: VM -> the id of its server, of the VMs with an operation that waits.
    server_ids: Mapping[UUID, str]

    def __len__(self) -> int:
        return len(self.servers)

    def server_of(self, operation: Operation) -> Server | None:
        """Return the server of the VM that an operation occupies, if it is listed."""
        pairs = (
            (operation.target_kind, operation.target_id),
            (operation.related_kind, operation.related_id),
        )
        ids = (self.server_ids.get(id) for kind, id in pairs if kind == VM.kind and id)
        return self.servers.get(next(ids, None) or "")


def in_listing(read: Callable[[Operation, Server], Answer]) -> Look:
    """Return the look of an operation that is read from its server alone."""

    def look(operation: Operation, listing: Listing) -> Answer | None:
        server = listing.server_of(operation)
        if server is not None:
            return read(operation, server)
        # Not mentioned means unchanged, unless everything was listed. Or gone without a
        # trace: so Nova deletes a server that was in no cell yet.
        deleting = operation.call == "servers.delete"
        silent = deleting and operation.updated_at < listing.started - SILENCE
        return Again() if listing.full or silent else None

    return look


def resting_status(server: Server) -> VMStatus | None:
    """Return where the server rests, or ``None`` while something moves it."""
    if server.task_state is not None:
        return None
    return RESTING_STATUSES.get(server.status)


def note(vm: VM, server: Server) -> None:
    """Take over what the cloud says beside the status."""
    vm.observed_status = server.status
    vm.observed_at = server.updated_at
    if not vm.networks:  # else they are Neutron's: Nova's copy may be wrong
        vm.addresses = addresses_of(server)
    vm.never_launched = server.launched_at is None
    vm.missing_since = None


def is_gone(server: Server) -> bool:
    return server.status in GONE_STATUSES


def read(cloud: Cloud, server_id: str) -> Server | None:
    """Return a server as the cloud shows it now; ``None``: it is gone."""
    try:
        server = cloud.servers.get(server_id)
    except NotFound:
        return None
    return None if is_gone(server) else server


def fault_problem(server: Server) -> OpenStackError:
    """Return the problem of a server that Nova put into ERROR."""
    message = server.fault.message.strip() if server.fault else "No reason was given."
    return OpenStackError(
        f"The server went into ERROR: {message}",
        openstack={
            "service": "nova",
            "status": server.fault.code if server.fault else None,
            "message": message,
            "request_id": None,
        },
    )


def addresses_of(server: Server) -> list[dict[str, Any]]:
    return [
        {
            "ip": address.ip,
            "version": address.version,
            "network": address.network,
            "type": address.type,
            "mac": address.mac,
        }
        for address in server.addresses
    ]
