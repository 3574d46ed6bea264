"""The subnets of the mock cloud."""

import ipaddress
import json
import sqlite3
from collections.abc import Sequence
from itertools import pairwise

from providers.contract.calls import Receipt
from providers.contract.subnets import DEFAULT_GATEWAY, Subnet, Subnets, SubnetSpec
from providers.mock.world import addresses, neutron, ports
from providers.mock.world.addresses import IPNetwork
from providers.mock.world.neutron import conflict, invalid
from providers.mock.world.seed import PROJECT
from providers.mock.world.topology import ROUTER_INTERFACE
from providers.mock.world.world import World

_MOST_NAMESERVERS = 5


class MockSubnets(Subnets):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Subnet]:
        with self._world.call("subnets.list_all"):
            return self._read("1")

    def find(self, *, marker: str) -> list[Subnet]:
        with self._world.call("subnets.find", subject=marker):
            return self._read("marker = ?", marker)

    def _read(self, where: str, *values: object) -> list[Subnet]:
        db, now = self._world.store.connection(), self._world.now()
        found = neutron.rows(db, "subnets", now, where, *values)
        return [_to_subnet(row) for row in found]

    def create(self, spec: SubnetSpec, *, request_id: str) -> Receipt:
        subject = f"{spec.name} {spec.marker} {spec.network_id}"
        with self._world.call("subnets.create", subject=subject) as call:
            neutron.check_texts(spec.name, spec.marker)
            network = _network(spec)
            gateway_ip = _gateway(spec, network)
            _check_nameservers(spec.dns_nameservers, "subnet")
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "subnets")
                owner = neutron.get(db, "networks", spec.network_id, now)["project"]
                if owner != PROJECT:
                    raise neutron.forbidden("create_subnet")
                _check_overlap(db, spec.network_id, network)
                pools = _pools(spec, network, gateway_ip)
                subnet_id = neutron.insert(
                    db,
                    "subnets",
                    call,
                    now,
                    name=spec.name,
                    marker=spec.marker,
                    network_id=spec.network_id,
                    cidr=str(network),
                    ip_version=network.version,
                    gateway_ip=gateway_ip,
                    dns_nameservers=json.dumps(list(spec.dns_nameservers)),
                    dhcp=spec.dhcp,
                    allocation_pools=json.dumps(pools),
                )
                ports.add_slaac_addresses(db, subnet_id)
            return Receipt(request_id=call.request_id, created_id=subnet_id)

    def update(
        self,
        subnet_id: str,
        *,
        gateway_ip: str | None,
        dns_nameservers: Sequence[str],
        request_id: str,
    ) -> Receipt:
        subject = self._world.describe("subnets", subnet_id)
        with self._world.call("subnets.update", subject=subject) as call:
            with self._world.store.transaction() as db:
                subnet = neutron.get(db, "subnets", subnet_id, self._world.now())
                if subnet["project"] != PROJECT:
                    raise neutron.forbidden("update_subnet")
                _check_nameservers(dns_nameservers, subnet_id)
                if gateway_ip is not None:
                    gateway_ip = _valid_gateway(
                        gateway_ip, ipaddress.ip_network(subnet["cidr"])
                    )
                if gateway_ip != subnet["gateway_ip"]:
                    _check_gateway_unused(db, subnet)
                    pools = json.loads(subnet["allocation_pools"])
                    _check_gateway_outside(gateway_ip, pools)
                db.execute(
                    "UPDATE subnets SET gateway_ip = ?, dns_nameservers = ?"
                    " WHERE id = ?",
                    (gateway_ip, json.dumps(list(dns_nameservers)), subnet_id),
                )
            return Receipt(request_id=call.request_id)

    def delete(self, subnet_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("subnets", subnet_id)
        with self._world.call("subnets.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                subnet = neutron.get(db, "subnets", subnet_id, self._world.now())
                if subnet["project"] != PROJECT:
                    raise neutron.forbidden("delete_subnet")
                # Addresses that cards give themselves are taken from ports.
                routers = addresses.is_slaac(subnet)
                if ports.have_addresses_of(db, subnet_id, routers_only=routers):
                    raise conflict(
                        "SubnetInUse",
                        f"Unable to complete operation on subnet {subnet_id}: One or"
                        " more ports have an IP allocation from this subnet.",
                    )
                db.execute("DELETE FROM fixed_ips WHERE subnet_id = ?", (subnet_id,))
                neutron.delete(db, "subnets", subnet_id)
            return Receipt(request_id=call.request_id)


def _network(spec: SubnetSpec) -> IPNetwork:
    """Return the network of a CIDR without its host bits."""
    try:
        network = ipaddress.ip_network(spec.cidr, strict=False)
    except ValueError:
        raise invalid(
            "InvalidInput",
            f"Invalid input for cidr. Reason: '{spec.cidr}' is not a valid IP subnet.",
        ) from None
    reason = ""
    if network.prefixlen == 0:
        reason = "0 is not allowed as CIDR prefix length"
    elif spec.dhcp and network.is_multicast:
        reason = "Multicast IP subnet is not supported if enable_dhcp is True."
    elif spec.dhcp and network.is_loopback:
        reason = "Loopback IP subnet is not supported if enable_dhcp is True."
    elif spec.dhcp and network.max_prefixlen - network.prefixlen < 2:
        reason = (
            "Subnet has a prefix length that is incompatible with DHCP service enabled"
        )
    if reason:
        raise invalid("InvalidInput", f"Invalid input for operation: {reason}.")
    return network


def _gateway(spec: SubnetSpec, network: IPNetwork) -> str | None:
    if spec.gateway_ip is None:
        return None
    if spec.gateway_ip == DEFAULT_GATEWAY:
        # Of IPv6 the anycast address of its routers.
        small = network.num_addresses == 1
        return str(network[0 if network.version == 6 or small else 1])
    return _valid_gateway(spec.gateway_ip, network)


def _valid_gateway(gateway_ip: str, network: IPNetwork) -> str:
    """Return a gateway as Neutron writes it. It may be outside of the subnet."""
    try:
        address = ipaddress.ip_address(gateway_ip)
    except ValueError:
        raise invalid(
            "HTTPBadRequest",
            f"Invalid input for gateway_ip. Reason: '{gateway_ip}' is not a valid IP"
            " address.",
        ) from None
    ends = (network[0], network[-1]) if network.prefixlen < 31 else ()
    if address.version != network.version or (network.version == 4 and address in ends):
        raise invalid(
            "InvalidInput",
            "Invalid input for operation: Gateway is not valid on subnet.",
        )
    return str(address)


def _check_nameservers(nameservers: Sequence[str], subnet: str) -> None:
    if len(nameservers) > _MOST_NAMESERVERS:
        raise invalid(
            "DNSNameServersExhausted",
            f"Unable to complete operation for {subnet}. The number of DNS nameservers"
            f" exceeds the limit {_MOST_NAMESERVERS}.",
        )
    for nameserver in nameservers:
        try:
            ipaddress.ip_address(nameserver)
        except ValueError:
            raise invalid(
                "HTTPBadRequest",
                f"Invalid input for dns_nameservers. Reason: '{nameserver}' is not a"
                " valid nameserver.",
            ) from None
    if len(set(nameservers)) != len(nameservers):
        raise invalid(
            "HTTPBadRequest",
            "Invalid input for dns_nameservers. Reason: Duplicate nameserver.",
        )


def _check_overlap(db: sqlite3.Connection, network_id: str, new: IPNetwork) -> None:
    for row in db.execute(
        "SELECT cidr FROM subnets WHERE network_id = ?", (network_id,)
    ):
        if addresses.overlap(str(new), row["cidr"]):
            raise invalid(
                "InvalidInput",
                f"Invalid input for operation: Requested subnet with cidr: {new} for"
                f" network: {network_id} overlaps with another subnet.",
            )


def _pools(
    spec: SubnetSpec, network: IPNetwork, gateway_ip: str | None
) -> addresses.Pools:
    if not spec.allocation_pools:
        return addresses.default_pools(network, gateway_ip)
    pools: addresses.Pools = []
    for first, last in spec.allocation_pools:
        pool = f"{first}-{last}"
        try:
            begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
        except ValueError:
            raise invalid(
                "HTTPBadRequest", "Invalid input for allocation_pools."
            ) from None
        if begin.version != end.version or int(begin) > int(end):
            raise invalid(
                "InvalidAllocationPool", f"The allocation pool {pool} is not valid."
            )
        usable = addresses.default_pools(network, None)[0]
        if not all(addresses.is_between(ip, *usable) for ip in (first, last)):
            raise invalid(
                "OutOfBoundsAllocationPool",
                f"The allocation pool {pool} spans beyond the subnet cidr {network}.",
            )
        pools.append((str(begin), str(end)))
    _check_apart(pools, network)
    _check_gateway_outside(gateway_ip, pools)
    return pools


def _check_apart(pools: addresses.Pools, network: IPNetwork) -> None:
    spans = sorted(
        (int(ipaddress.ip_address(first)), int(ipaddress.ip_address(last)))
        for first, last in pools
    )
    for (_, end), (begin, _) in pairwise(spans):
        if begin <= end:
            raise conflict(
                "OverlappingAllocationPools",
                f"Found overlapping allocation pools for subnet {network}.",
            )


def _check_gateway_outside(gateway_ip: str | None, pools: addresses.Pools) -> None:
    for first, last in pools:
        if gateway_ip is not None and addresses.is_between(gateway_ip, first, last):
            raise conflict(
                "GatewayConflictWithAllocationPools",
                f"Gateway ip {gateway_ip} conflicts with allocation pool"
                f" {first}-{last}.",
            )


def _check_gateway_unused(db: sqlite3.Connection, subnet: sqlite3.Row) -> None:
    port = db.execute(
        "SELECT id FROM fixed_ips JOIN ports ON id = port_id"
        " WHERE subnet_id = ? AND ip = ? AND device_owner = ?",
        (subnet["id"], subnet["gateway_ip"], ROUTER_INTERFACE),
    ).fetchone()
    if port is not None:
        raise conflict(
            "GatewayIpInUse",
            f"Current gateway ip {subnet['gateway_ip']} already in use by port"
            f" {port['id']}. Unable to update.",
        )


def _to_subnet(row: sqlite3.Row) -> Subnet:
    return Subnet(
        id=row["id"],
        network_id=row["network_id"],
        name=row["name"],
        marker=row["marker"],
        cidr=row["cidr"],
        ip_version=row["ip_version"],
        gateway_ip=row["gateway_ip"],
        dns_nameservers=tuple(json.loads(row["dns_nameservers"])),
        dhcp=bool(row["dhcp"]),
        allocation_pools=tuple(
            (first, last) for first, last in json.loads(row["allocation_pools"])
        ),
    )
