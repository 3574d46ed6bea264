"""The addresses of the mock's subnets: which there are, and which are free."""

import ipaddress
import json
import sqlite3
from collections.abc import Iterator

from providers.mock.world import neutron, ranges
from providers.mock.world.neutron import conflict, invalid


def is_slaac(subnet: sqlite3.Row) -> bool:
    """Tell whether addresses of a subnet follow from the MAC of a port."""
    length = ipaddress.ip_network(subnet["cidr"]).prefixlen
    return bool(subnet["ip_version"] == 6 and subnet["dhcp"] and length == 64)


def choose(
    db: sqlite3.Connection,
    network: sqlite3.Row,
    *,
    mac: str,
    ip: str | None = None,
    wish: str | None = None,
) -> list[tuple[str, str]]:
    """Return the (subnet id, address) pairs that a new port on a network gets.

    ``ip`` is what was asked for, ``wish`` what is taken if it happens to be free. In a
    network without subnets there are none. Raises what Neutron refuses.
    """
    subnets = db.execute(
        "SELECT * FROM subnets WHERE network_id = ? ORDER BY number", (network["id"],)
    ).fetchall()
    chosen = []
    if ip is not None:
        chosen.append(_asked_for(db, network["id"], subnets, ip))
    else:
        for version in (4, 6):
            pooled = [
                s for s in subnets if s["ip_version"] == version and not is_slaac(s)
            ]
            if pooled:
                chosen.append(_any_free(db, network, pooled, wish))
    taken_from = {subnet_id for subnet_id, _ in chosen}
    return chosen + [
        (subnet["id"], ranges.slaac_address(subnet["cidr"], mac))
        for subnet in subnets
        if is_slaac(subnet) and subnet["id"] not in taken_from
    ]


def _asked_for(
    db: sqlite3.Connection, network_id: str, subnets: list[sqlite3.Row], ip: str
) -> tuple[str, str]:
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise invalid(
            "HTTPBadRequest",
            f"Invalid input for fixed_ips. Reason: '{ip}' is not a valid IP address.",
        ) from None
    for subnet in subnets:
        network = ipaddress.ip_network(subnet["cidr"])
        if address not in network or address in ranges.unusable(network):
            continue
        if is_slaac(subnet):
            raise invalid(
                "InvalidInput",
                f"Invalid input for operation: IPv6 address {ip} can not be directly"
                f" assigned to a port on subnet {subnet['id']} since the subnet is"
                " configured for automatic addresses.",
            )
        check_free(db, subnet, str(address), gateway_is_free=False)
        return subnet["id"], str(address)
    raise invalid(
        "InvalidIpForNetwork",
        f"IP address {ip} is not a valid IP for any of the subnets on the specified"
        f" network.",
    )


def check_free(
    db: sqlite3.Connection, subnet: sqlite3.Row, ip: str, *, gateway_is_free: bool
) -> None:
    """Raise `Conflict` for an address that a port has; the gateway's is a router's."""
    reserved = ip == subnet["gateway_ip"] and not gateway_is_free
    if reserved or is_taken(db, subnet["id"], ip):
        raise conflict(
            "IpAddressAlreadyAllocated",
            f"IP address {ip} already allocated in subnet {subnet['id']}",
        )


def is_taken(db: sqlite3.Connection, subnet_id: str, ip: str) -> bool:
    """Tell whether a port has an address."""
    return (
        db.execute(
            "SELECT 1 FROM fixed_ips WHERE subnet_id = ? AND ip = ?", (subnet_id, ip)
        ).fetchone()
        is not None
    )


def _any_free(
    db: sqlite3.Connection,
    network: sqlite3.Row,
    subnets: list[sqlite3.Row],
    wish: str | None,
) -> tuple[str, str]:
    if not network["exhausted"]:
        for subnet in subnets:
            if wish is not None and _has_room_for(db, subnet, wish):
                return subnet["id"], wish
        for subnet in subnets:
            for offset, ip in _pooled(subnet):
                if not is_taken(db, subnet["id"], ip):
                    db.execute(
                        "UPDATE subnets SET next_offset = ? WHERE id = ?",
                        (str(offset + 1), subnet["id"]),
                    )
                    return subnet["id"], ip
    raise conflict(
        "IpAddressGenerationFailure",
        f"No more IP addresses available on network {network['id']}.",
    )


def _has_room_for(db: sqlite3.Connection, subnet: sqlite3.Row, wish: str) -> bool:
    pools = json.loads(subnet["allocation_pools"])
    pooled = any(ranges.is_between(wish, first, last) for first, last in pools)
    return pooled and not is_taken(db, subnet["id"], wish)


def _pooled(subnet: sqlite3.Row) -> Iterator[tuple[int, str]]:
    """Walk the pools once, from where the last address was taken."""
    address = type(ipaddress.ip_network(subnet["cidr"])[0])
    pools = [
        (int(address(first)), int(address(last)))
        for first, last in json.loads(subnet["allocation_pools"])
    ]
    size = sum(last - first + 1 for first, last in pools)
    for step in range(size):
        offset = place = (int(subnet["next_offset"]) + step) % size
        for first, last in pools:
            if place <= last - first:
                yield offset, str(address(first + place))
                break
            place -= last - first + 1


def keep(db: sqlite3.Connection, port_id: str, chosen: list[tuple[str, str]]) -> None:
    """Give addresses to a port."""
    db.executemany(
        "INSERT INTO fixed_ips (subnet_id, ip, port_id) VALUES (?, ?, ?)",
        [(subnet_id, ip, port_id) for subnet_id, ip in chosen],
    )


def has_ipv4(db: sqlite3.Connection, network_id: str, now: int) -> bool:
    """Tell whether a network has a subnet of IPv4."""
    where = "network_id = ? AND ip_version = 4"
    return bool(neutron.rows(db, "subnets", now, where, network_id))
