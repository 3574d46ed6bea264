"""Ways out of the mock's networks: gateways of routers, and floating IPs."""

import sqlite3

from providers.mock.world import addresses, neutron, ports
from providers.mock.world.faults import Call
from providers.mock.world.neutron import invalid
from providers.mock.world.topology import (
    FLOATING_IP,
    OPERATOR,
    ROUTER_GATEWAY,
    ROUTER_INTERFACE,
)


def external(db: sqlite3.Connection, network_id: str, now: int) -> sqlite3.Row:
    """Return an external network; what Neutron refuses if it is none."""
    network = neutron.get(db, "networks", network_id, now)
    if not network["external"]:
        raise invalid(
            "BadRequest",
            f"Bad router request: Network {network_id} is not an external network.",
        )
    return network


def connect(
    db: sqlite3.Connection,
    router_id: str,
    network: sqlite3.Row,
    call: Call | None,
    now: int,
) -> None:
    """Give a router a gateway, with a port that members do not see."""
    ip = _take(db, network, router_id, ROUTER_GATEWAY, call, now)
    db.execute(
        "UPDATE routers SET external_network_id = ?, external_ip = ? WHERE id = ?",
        (network["id"], ip, router_id),
    )


def disconnect(db: sqlite3.Connection, router_id: str) -> None:
    """Take the gateway from a router."""
    for port_id in ports.owned_by(db, router_id, ROUTER_GATEWAY):
        ports.remove(db, port_id)
    db.execute(
        "UPDATE routers SET external_network_id = NULL, external_ip = NULL"
        " WHERE id = ?",
        (router_id,),
    )


def serves(db: sqlite3.Connection, router: sqlite3.Row, subnet_id: str) -> bool:
    """Tell whether floating IPs lead through a router into a subnet."""
    return (
        db.execute(
            "SELECT 1 FROM floating_ips JOIN fixed_ips ON ip = fixed_ip"
            " AND fixed_ips.port_id = floating_ips.port_id"
            " WHERE subnet_id = ? AND network_id = ?",
            (subnet_id, router["external_network_id"]),
        ).fetchone()
        is not None
    )


def is_reachable(db: sqlite3.Connection, subnet_id: str, network_id: str) -> bool:
    """Tell whether a router leads from an external network into a subnet."""
    return (
        db.execute(
            "SELECT 1 FROM fixed_ips JOIN ports ON ports.id = port_id"
            " JOIN routers ON routers.id = device_id"
            " WHERE subnet_id = ? AND device_owner = ? AND external_network_id = ?",
            (subnet_id, ROUTER_INTERFACE, network_id),
        ).fetchone()
        is not None
    )


def allocate(
    db: sqlite3.Connection, network: sqlite3.Row, marker: str, call: Call, now: int
) -> str:
    """Take a floating IP of a network and return its id."""
    floating_ip_id = neutron.insert(
        db,
        "floating_ips",
        call,
        now,
        marker=marker,
        network_id=network["id"],
        address="",
    )
    ip = _take(db, network, floating_ip_id, FLOATING_IP, call, now)
    db.execute("UPDATE floating_ips SET address = ? WHERE id = ?", (ip, floating_ip_id))
    return floating_ip_id


def lead(
    db: sqlite3.Connection,
    floating_ip_id: str,
    port_id: str | None,
    fixed_ip: str | None,
) -> None:
    """Lead a floating IP to an address of a port, or nowhere."""
    db.execute(
        "UPDATE floating_ips SET port_id = ?, fixed_ip = ? WHERE id = ?",
        (port_id, fixed_ip, floating_ip_id),
    )


def give_back(db: sqlite3.Connection, floating_ip_id: str) -> None:
    """Delete a floating IP; its address is free again."""
    for port_id in ports.owned_by(db, floating_ip_id, FLOATING_IP):
        ports.remove(db, port_id)
    neutron.delete(db, "floating_ips", floating_ip_id)


def _take(
    db: sqlite3.Connection,
    network: sqlite3.Row,
    device_id: str,
    device_owner: str,
    call: Call | None,
    now: int,
) -> str | None:
    mac = ports.free_mac(db)
    chosen = addresses.choose(db, network, mac=mac)
    ports.add(
        db,
        call,
        now,
        chosen,
        project=OPERATOR,
        network_id=network["id"],
        mac=mac,
        device_id=device_id,
        device_owner=device_owner,
    )
    return chosen[0][1] if chosen else None
