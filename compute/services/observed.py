"""What a server's own words mean in ours."""

from typing import Any

from compute.errors import OpenStackError
from compute.models import VMStatus
from providers.base import Provider, Server
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


def resting_status(server: Server) -> VMStatus | None:
    """Return where the server rests, or ``None`` while something moves it."""
    if server.task_state is not None:
        return None
    return RESTING_STATUSES.get(server.status)


def is_gone(server: Server) -> bool:
    return server.status in GONE_STATUSES


def read(provider: Provider, server_id: str) -> Server | None:
    """Return a server as the cloud shows it now; ``None``: it is gone."""
    try:
        server = provider.get_server(server_id)
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
