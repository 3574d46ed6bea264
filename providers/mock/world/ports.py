"""Ports as rows of the mock's file: who has them, and what becomes of them."""

import ipaddress
import json
import sqlite3
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

from providers.contract.ports import FixedIP, Port
from providers.contract.servers import Address
from providers.errors import Conflict
from providers.mock.world import addresses, neutron, ranges
from providers.mock.world.faults import Call
from providers.mock.world.seed import PROJECT
from providers.mock.world.topology import DEFAULT_GROUP, ROUTER_INTERFACE, SERVER

_FIRST_ADDRESS = ipaddress.IPv4Address("10.10.0.10")
#: From here on the numbers of ports are in their MACs, below those of servers.
_PORTS_MACS = 0x800000


def mac_of(number: int) -> str:
    """Return a MAC as Neutron makes them."""
    digits = f"{number:06x}"[-6:]
    return f"fa:16:3e:{digits[:2]}:{digits[2:4]}:{digits[4:]}"


def free_mac(db: sqlite3.Connection) -> str:
    """Return a MAC that no port has."""
    last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'ports'").fetchone()
    return mac_of(_PORTS_MACS + (last["seq"] if last else 0))


def to_ports(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[Port]:
    """Return the ports in rows of ``ports``, with their addresses."""
    fixed_ips: dict[str, list[FixedIP]] = {row["id"]: [] for row in rows}
    for row in db.execute(
        "SELECT fixed_ips.* FROM json_each(?) JOIN fixed_ips ON port_id = value"
        " JOIN subnets ON subnets.id = subnet_id ORDER BY number, ip",
        (json.dumps(list(fixed_ips)),),
    ):
        fixed_ips[row["port_id"]].append(FixedIP(row["subnet_id"], row["ip"]))
    return [
        Port(
            id=row["id"],
            network_id=row["network_id"],
            marker=row["marker"],
            mac=row["mac"],
            fixed_ips=tuple(fixed_ips[row["id"]]),
            security_group_ids=tuple(json.loads(row["security_group_ids"])),
            device_id=row["device_id"],
            device_owner=row["device_owner"],
        )
        for row in rows
    ]


def add(
    db: sqlite3.Connection,
    call: Call | None,
    now: int,
    chosen: list[tuple[str, str]],
    **columns: Any,
) -> str:
    """Insert a port with the addresses chosen for it and return its id."""
    defaults = {"mac": free_mac(db), "security_group_ids": "[]"}
    port_id = neutron.insert(db, "ports", call, now, **{**defaults, **columns})
    addresses.keep(db, port_id, chosen)
    return port_id


def ids_on(db: sqlite3.Connection, network_id: str) -> list[str]:
    """Return the ids of the ports on a network, whosever they are."""
    rows = db.execute(
        "SELECT id FROM ports WHERE network_id = ? ORDER BY number", (network_id,)
    )
    return [row["id"] for row in rows]


def owned_by(db: sqlite3.Connection, device_id: str, device_owner: str) -> list[str]:
    """Return the ids of the ports that a device has for one purpose."""
    rows = db.execute(
        "SELECT id FROM ports WHERE device_id = ? AND device_owner = ?",
        (device_id, device_owner),
    )
    return [row["id"] for row in rows]


def subnets_of(db: sqlite3.Connection, router_id: str) -> list[sqlite3.Row]:
    """Return the subnets that a router has interfaces on."""
    return db.execute(
        "SELECT subnets.* FROM ports JOIN fixed_ips ON port_id = ports.id"
        " JOIN subnets ON subnets.id = subnet_id"
        " WHERE device_id = ? AND device_owner = ?",
        (router_id, ROUTER_INTERFACE),
    ).fetchall()


def interface_of(db: sqlite3.Connection, router_id: str, subnet_id: str) -> str | None:
    """Return the id of the port that a router has on a subnet."""
    row = db.execute(
        "SELECT id FROM ports JOIN fixed_ips ON port_id = id"
        " WHERE device_id = ? AND device_owner = ? AND subnet_id = ?",
        (router_id, ROUTER_INTERFACE, subnet_id),
    ).fetchone()
    return None if row is None else str(row["id"])


def have_addresses_of(
    db: sqlite3.Connection, subnet_id: str, *, routers_only: bool
) -> bool:
    """Tell whether ports, or those of routers, have addresses of a subnet."""
    rows = db.execute(
        "SELECT device_owner FROM fixed_ips JOIN ports ON id = port_id"
        " WHERE subnet_id = ?",
        (subnet_id,),
    )
    owners = {row["device_owner"] for row in rows}
    return ROUTER_INTERFACE in owners if routers_only else bool(owners)


def add_slaac_addresses(db: sqlite3.Connection, subnet_id: str) -> None:
    """Give the ports of a network the addresses of a new subnet, if by SLAAC."""
    subnet = db.execute("SELECT * FROM subnets WHERE id = ?", (subnet_id,)).fetchone()
    if not addresses.is_slaac(subnet):
        return
    for port in db.execute(
        "SELECT id, mac FROM ports WHERE network_id = ? AND device_owner != ?",
        (subnet["network_id"], ROUTER_INTERFACE),
    ).fetchall():
        ip = ranges.slaac_address(subnet["cidr"], port["mac"])
        addresses.keep(db, port["id"], [(subnet["id"], ip)])


def remove(db: sqlite3.Connection, port_id: str) -> None:
    """Delete a port; floating IPs that lead to it lead nowhere."""
    db.execute(
        "UPDATE floating_ips SET port_id = NULL, fixed_ip = NULL WHERE port_id = ?",
        (port_id,),
    )
    db.execute("DELETE FROM fixed_ips WHERE port_id = ?", (port_id,))
    db.execute("DELETE FROM ports WHERE id = ?", (port_id,))


def settle(db: sqlite3.Connection, now: int) -> None:
    """Do what the clock has brought: servers gone, ports detached."""
    released = db.execute(
        "SELECT id, at_end FROM ports WHERE detached_at <= ?1 OR server_gone_at <= ?1",
        (now,),
    ).fetchall()
    for row in released:
        _release(db, row["id"], row["at_end"])


def _release(db: sqlite3.Connection, port_id: str, at_end: str) -> None:
    if at_end == "go":
        remove(db, port_id)
    else:
        db.execute(
            "UPDATE ports SET device_id = '', device_owner = '', card = 0,"
            " detached_at = NULL, server_gone_at = NULL WHERE id = ?",
            (port_id,),
        )


def bind(db: sqlite3.Connection, port_id: str, server_id: str) -> None:
    """Give a port to a server, as its last network card."""
    db.execute(
        "UPDATE ports SET device_id = ?1, device_owner = ?2, detached_at = NULL,"
        " server_gone_at = (SELECT deleted_at FROM servers WHERE id = ?1),"
        " card = (SELECT coalesce(max(card), 0) + 1 FROM ports WHERE device_id = ?1)"
        " WHERE id = ?3",
        (server_id, SERVER, port_id),
    )


def release_at(db: sqlite3.Connection, server_id: str, at: int | None) -> None:
    """Say when the ports of a server are its no longer; ``None``: not in sight."""
    db.execute(
        "UPDATE ports SET server_gone_at = ? WHERE device_id = ? AND at_end != 'stay'",
        (at, server_id),
    )


def add_default_ports(db: sqlite3.Connection, server_ids: Iterable[str]) -> list[str]:
    """Make a port on the default network for servers of ours that name none.

    Returns the servers for which there is no address.
    """
    network = default_network(db)
    servers = db.execute(
        "SELECT servers.* FROM json_each(?) JOIN servers ON servers.id = value"
        " WHERE project = ? ORDER BY number",
        (json.dumps(list(server_ids)), PROJECT),
    ).fetchall()
    without: list[str] = []
    for server in servers:
        if network is None or without:  # where one finds no address, none does
            without.append(server["id"])
            continue
        port_id = str(uuid.uuid5(uuid.UUID(server["id"]), "port"))
        mac = mac_of(server["number"])
        try:
            chosen = addresses.choose(
                db, network, mac=mac, wish=str(_FIRST_ADDRESS + server["number"])
            )
        except Conflict:
            without.append(server["id"])
            continue
        db.execute(
            "INSERT INTO ports (id, project, name, marker, visible_at, network_id, mac,"
            " security_group_ids, device_id, device_owner, card, at_end,"
            " server_gone_at) VALUES (?, ?, '', '', ?, ?, ?, ?, ?, ?, 1, 'go', ?)",
            (
                port_id,
                PROJECT,
                server["visible_at"],
                network["id"],
                mac,
                json.dumps([DEFAULT_GROUP]),
                server["id"],
                SERVER,
                server["deleted_at"],
            ),
        )
        addresses.keep(db, port_id, chosen)
    return without


def adopt(db: sqlite3.Connection) -> None:
    """Give the servers of an older file their ports, and keep those left there."""
    add_default_ports(db, [row["id"] for row in db.execute("SELECT id FROM servers")])
    old = "SELECT 1 FROM sqlite_master WHERE name = 'left_ports'"
    if db.execute(old).fetchone():
        for row in db.execute("SELECT * FROM left_ports").fetchall():
            leave(db, row["server_id"], port_id=row["id"])
        db.execute("DROP TABLE left_ports")


def leave(db: sqlite3.Connection, server_id: str, *, port_id: str) -> None:
    """Insert a port that says it belongs to a server, and outlives it."""
    network = default_network(db)
    mac = free_mac(db)
    add(
        db,
        None,
        0,
        addresses.choose(db, network, mac=mac) if network else [],
        id=port_id,
        network_id=network["id"] if network else "",
        mac=mac,
        security_group_ids=json.dumps([DEFAULT_GROUP]),
        device_id=server_id,
        device_owner=SERVER,
        at_end="stay",
    )


def default_network(db: sqlite3.Connection) -> sqlite3.Row | None:
    """Return the network of servers that name no port, if there is one."""
    row: sqlite3.Row | None = db.execute(
        "SELECT * FROM networks WHERE is_default"
    ).fetchone()
    return row


def addresses_of(
    db: sqlite3.Connection, server_ids: Iterable[str]
) -> dict[str, tuple[Address, ...]]:
    """Return the addresses of servers, fixed and floating."""
    found: dict[str, list[Address]] = {}
    rows = db.execute(
        "SELECT ports.device_id, ports.mac, networks.name, fixed_ips.ip,"
        " subnets.ip_version, floating_ips.address FROM json_each(?)"
        " JOIN ports ON ports.device_id = value AND at_end != 'stay'"
        " JOIN networks ON networks.id = ports.network_id"
        " JOIN fixed_ips ON fixed_ips.port_id = ports.id"
        " JOIN subnets ON subnets.id = fixed_ips.subnet_id"
        " LEFT JOIN floating_ips ON floating_ips.port_id = ports.id"
        " AND floating_ips.fixed_ip = fixed_ips.ip"
        " ORDER BY ports.card, subnets.number",
        (json.dumps(list(server_ids)),),
    )
    for device_id, mac, network, ip, version, floating in rows:
        here = found.setdefault(device_id, [])
        here.append(Address(ip=ip, version=version, network=network, mac=mac))
        if floating is not None:
            here.append(
                Address(
                    ip=floating, version=4, network=network, type="floating", mac=mac
                )
            )
    return {server_id: tuple(here) for server_id, here in found.items()}
