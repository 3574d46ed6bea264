"""The subnets of the mock cloud."""

import ipaddress
import json
import sqlite3
from collections.abc import Sequence

from providers.contract.calls import Receipt
from providers.contract.subnets import Subnet, Subnets, SubnetSpec
from providers.mock.world import addresses, neutron, ports, ranges
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
            network = ranges.network_of(spec.cidr, dhcp=spec.dhcp)
            gateway_ip = ranges.gateway_of(spec.gateway_ip, network)
            _check_nameservers(spec.dns_nameservers, "subnet")
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "subnets")
                owner = neutron.get(db, "networks", spec.network_id, now)["project"]
                if owner != PROJECT:
                    raise neutron.forbidden("create_subnet")
                _check_overlap(db, spec.network_id, network)
                pools = ranges.pools_of(spec.allocation_pools, network, gateway_ip)
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
                network = ipaddress.ip_network(subnet["cidr"])
                gateway_ip = ranges.gateway_of(gateway_ip, network)
                if gateway_ip != subnet["gateway_ip"]:
                    _check_gateway_unused(db, subnet)
                    pools = json.loads(subnet["allocation_pools"])
                    ranges.check_gateway_outside(gateway_ip, pools)
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


def _check_overlap(
    db: sqlite3.Connection, network_id: str, new: ranges.IPNetwork
) -> None:
    for row in db.execute(
        "SELECT cidr FROM subnets WHERE network_id = ?", (network_id,)
    ):
        if ranges.overlap(str(new), row["cidr"]):
            raise invalid(
                "InvalidInput",
                f"Invalid input for operation: Requested subnet with cidr: {new} for"
                f" network: {network_id} overlaps with another subnet.",
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
