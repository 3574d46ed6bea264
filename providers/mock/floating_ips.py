"""The floating IPs of the mock cloud."""

import sqlite3

from providers.contract.calls import Receipt
from providers.contract.floating_ips import FloatingIP, FloatingIPs
from providers.mock.world import addresses, gateways, neutron
from providers.mock.world.neutron import conflict, invalid
from providers.mock.world.seed import PROJECT
from providers.mock.world.world import World


class MockFloatingIPs(FloatingIPs):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[FloatingIP]:
        with self._world.call("floating_ips.list_all"):
            return self._read("1")

    def get(self, floating_ip_id: str) -> FloatingIP:
        subject = self._world.describe("floating_ips", floating_ip_id)
        with self._world.call("floating_ips.get", subject=subject):
            db, now = self._world.store.connection(), self._world.now()
            row = neutron.get(db, "floating_ips", floating_ip_id, now)
            return _to_floating_ip(row)

    def find(self, *, marker: str) -> list[FloatingIP]:
        with self._world.call("floating_ips.find", subject=marker):
            return self._read("marker = ?", marker)

    def _read(self, where: str, *values: object) -> list[FloatingIP]:
        db, now = self._world.store.connection(), self._world.now()
        found = neutron.rows(db, "floating_ips", now, where, *values)
        return [_to_floating_ip(row) for row in found]

    def create(self, network_id: str, *, marker: str, request_id: str) -> Receipt:
        subject = f"{marker} {network_id}"
        with self._world.call("floating_ips.create", subject=subject) as call:
            neutron.check_texts("", marker)
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "floating_ips")
                network = neutron.get(db, "networks", network_id, now)
                bad = f"Bad floatingip request: Network {network_id}"
                if not network["external"]:
                    raise invalid(
                        "BadRequest", f"{bad} is not a valid external network."
                    )
                if not addresses.has_ipv4(db, network_id, now):
                    raise invalid(
                        "BadRequest", f"{bad} does not contain any IPv4 subnet."
                    )
                floating_ip_id = gateways.allocate(db, network, marker, call, now)
            return Receipt(request_id=call.request_id, created_id=floating_ip_id)

    def attach(
        self, floating_ip_id: str, *, port_id: str, fixed_ip: str, request_id: str
    ) -> Receipt:
        subject = self._world.describe(
            "floating_ips", floating_ip_id, port_id, fixed_ip
        )
        with self._world.call("floating_ips.attach", subject=subject) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                floating = neutron.get(db, "floating_ips", floating_ip_id, now)
                _check_end(db, floating, port_id, fixed_ip, now)
                gateways.lead(db, floating_ip_id, port_id, fixed_ip)
            return Receipt(request_id=call.request_id)

    def detach(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("floating_ips", floating_ip_id)
        with self._world.call("floating_ips.detach", subject=subject) as call:
            with self._world.store.transaction() as db:
                neutron.get(db, "floating_ips", floating_ip_id, self._world.now())
                gateways.lead(db, floating_ip_id, None, None)
            return Receipt(request_id=call.request_id)

    def delete(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("floating_ips", floating_ip_id)
        with self._world.call("floating_ips.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                neutron.get(db, "floating_ips", floating_ip_id, self._world.now())
                gateways.give_back(db, floating_ip_id)
            return Receipt(request_id=call.request_id)


def _check_end(
    db: sqlite3.Connection,
    floating: sqlite3.Row,
    port_id: str,
    fixed_ip: str,
    now: int,
) -> None:
    """Raise what Neutron refuses of an address to lead to."""
    network_id = floating["network_id"]
    port = neutron.get(db, "ports", port_id, now)
    if port["project"] != PROJECT:
        raise neutron.missing("ports", port_id)
    subnet = db.execute(
        "SELECT subnet_id FROM fixed_ips WHERE port_id = ? AND ip = ?",
        (port_id, fixed_ip),
    ).fetchone()
    if subnet is None or ":" in fixed_ip:
        raise invalid(
            "BadRequest",
            f"Bad floatingip request: Port {port_id} does not have fixed ip"
            f" {fixed_ip}.",
        )
    if not gateways.is_reachable(db, subnet["subnet_id"], network_id):
        raise neutron.not_found(
            "ExternalGatewayForFloatingIPNotFound",
            f"External network {network_id} is not reachable from subnet"
            f" {subnet['subnet_id']}.  Therefore, cannot associate Port {port_id} with"
            " a Floating IP.",
        )
    other = db.execute(
        "SELECT 1 FROM floating_ips WHERE port_id = ? AND fixed_ip = ?"
        " AND network_id = ? AND id != ?",
        (port_id, fixed_ip, network_id, floating["id"]),
    ).fetchone()
    if other is not None:
        raise conflict(
            "FloatingIPPortAlreadyAssociated",
            f"Cannot associate floating IP {floating['address']} ({floating['id']})"
            f" with port {port_id} using fixed IP {fixed_ip}, as that fixed IP already"
            f" has a floating IP on external network {network_id}.",
        )


def _to_floating_ip(row: sqlite3.Row) -> FloatingIP:
    return FloatingIP(
        id=row["id"],
        network_id=row["network_id"],
        marker=row["marker"],
        address=row["address"],
        port_id=row["port_id"],
        fixed_ip=row["fixed_ip"],
    )
