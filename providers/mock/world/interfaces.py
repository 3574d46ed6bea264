"""The network cards of servers: giving ports to them, and taking them away."""

import sqlite3
from dataclasses import dataclass

from providers.contract.servers import ServerSpec
from providers.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    ProviderError,
    QuotaExceeded,
    Unavailable,
)
from providers.mock.world import neutron, ports, records
from providers.mock.world.faults import Call
from providers.mock.world.guards import allow
from providers.mock.world.lifecycle import ACTION_FAILED, Plan
from providers.mock.world.seed import PROJECT
from providers.mock.world.state import SECOND

GUARD = allow("active", "stopped", "paused")
ATTACH = "attach_interface"
DETACH = "detach_interface"
#: Seconds until a port is detached.
DETACHING = 0.5
NO_NETWORK = "Failed to allocate the network(s), not rescheduling."


@dataclass(frozen=True, slots=True)
class End:
    """How an action on a network card ends."""

    #: ``None``: never.
    finished_at: int | None
    error: str | None = None
    #: What the caller is told in place of success.
    told: ProviderError | None = None


def check_ports(db: sqlite3.Connection, spec: ServerSpec, now: int) -> None:
    """Raise what Nova refuses about the networks of a new server."""
    for port_id in spec.port_ids:
        port = _find(db, port_id, now)
        if port is None:
            raise InvalidRequest(f"Port id {port_id} could not be found.", status=400)
        if spec.port_ids.count(port_id) > 1:
            raise InvalidRequest(
                f"Port ID '{port_id}' was specified twice: you cannot attach a port"
                " multiple times.",
                status=400,
            )
        _check_usable(db, port)
    if not spec.port_ids:
        if ports.default_network(db) is None:
            raise InvalidRequest(
                f"Unable to automatically allocate a network for project {PROJECT}",
                status=400,
            )
        try:
            neutron.check_quota(db, "ports")
        except QuotaExceeded as exc:
            words = "Maximum number of ports exceeded"
            raise QuotaExceeded(words, status=403) from exc


def connect(db: sqlite3.Connection, server_id: str, spec: ServerSpec) -> bool:
    """Give a new server its ports; False: there was no address for one."""
    for port_id in spec.port_ids:
        ports.bind(db, port_id, server_id)
    return bool(spec.port_ids) or not ports.add_default_ports(db, [server_id])


def attach(
    db: sqlite3.Connection, server_id: str, port_id: str, call: Call, now: int
) -> End:
    """Give a port to a server at once."""
    port = _find(db, port_id, now)
    if port is None:
        raise NotFound(f"Port id {port_id} could not be found.", status=404)
    _check_usable(db, port)
    failing = call.faults.get("fail_async")
    if failing is not None:
        words = f"Failed to attach network adapter device to {server_id}"
        error = Unavailable(failing.message or words, status=500)
        return End(now, ACTION_FAILED, error)
    ports.bind(db, port_id, server_id)
    if "stuck" in call.faults:
        words = "Unexpected API Error. <class 'oslo_messaging.MessagingTimeout'>"
        return End(None, told=Unavailable(words, status=500))
    return End(now)


def detach(
    db: sqlite3.Connection,
    server_id: str,
    port_id: str,
    call: Call,
    *,
    now: int,
    pace: float,
) -> End:
    """Take a port from a server in a while."""
    at = now + int(DETACHING * pace * SECOND)
    if "stuck" in call.faults:
        return End(None)
    if "fail_async" in call.faults:
        return End(at, ACTION_FAILED)
    done = db.execute(
        "UPDATE ports SET detached_at = ?"
        " WHERE id = ? AND device_id = ? AND detached_at IS NULL",
        (at, port_id, server_id),
    )
    return End(at, None if done.rowcount else ACTION_FAILED)


def add_action(
    db: sqlite3.Connection,
    server_id: str,
    action: str,
    end: End,
    call: Call,
    caller_request_id: str,
    now: int,
) -> None:
    """Record an action that leaves the server itself as it is."""
    records.add_action(
        db,
        server_id,
        Plan((), end.finished_at, end.error),
        action=action,
        request_id=call.request_id,
        caller_request_id=caller_request_id,
        now=now,
    )


def _find(db: sqlite3.Connection, port_id: str, now: int) -> sqlite3.Row | None:
    where = "id = ? AND project = ?"
    found = neutron.rows(db, "ports", now, where, port_id, PROJECT)
    return found[0] if found else None


def _check_usable(db: sqlite3.Connection, port: sqlite3.Row) -> None:
    if port["device_id"]:
        raise Conflict(f"Port {port['id']} is still in use.", status=409)
    if not db.execute(
        "SELECT 1 FROM fixed_ips WHERE port_id = ?", (port["id"],)
    ).fetchone():
        raise InvalidRequest(
            f"Port {port['id']} requires a FixedIP in order to be used.", status=400
        )
