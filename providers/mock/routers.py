"""The routers of the mock cloud."""

import sqlite3

from providers.contract.calls import Receipt
from providers.contract.routers import Router, Routers
from providers.mock.world import addresses, gateways, neutron, ports, ranges
from providers.mock.world.neutron import conflict, invalid
from providers.mock.world.seed import PROJECT
from providers.mock.world.topology import ROUTER_INTERFACE
from providers.mock.world.world import World


class MockRouters(Routers):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Router]:
        with self._world.call("routers.list_all"):
            return self._read("1")

    def get(self, router_id: str) -> Router:
        subject = self._world.describe("routers", router_id)
        with self._world.call("routers.get", subject=subject):
            db, now = self._world.store.connection(), self._world.now()
            return _to_router(neutron.get(db, "routers", router_id, now))

    def find(self, *, marker: str) -> list[Router]:
        with self._world.call("routers.find", subject=marker):
            return self._read("marker = ?", marker)

    def _read(self, where: str, *values: object) -> list[Router]:
        db, now = self._world.store.connection(), self._world.now()
        found = neutron.rows(db, "routers", now, where, *values)
        return [_to_router(row) for row in found]

    def create(
        self,
        name: str,
        *,
        marker: str,
        external_network_id: str | None,
        request_id: str,
    ) -> Receipt:
        subject = f"{name} {marker} {external_network_id or ''}".strip()
        with self._world.call("routers.create", subject=subject) as call:
            neutron.check_texts(name, marker)
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "routers")
                router_id = neutron.insert(
                    db, "routers", call, now, name=name, marker=marker
                )
                if external_network_id is not None:
                    network = gateways.external(db, external_network_id, now)
                    if "half" not in call.faults:
                        gateways.connect(db, router_id, network, call, now)
            return Receipt(request_id=call.request_id, created_id=router_id)

    def set_gateway(
        self, router_id: str, external_network_id: str | None, *, request_id: str
    ) -> Receipt:
        subject = self._world.describe("routers", router_id, external_network_id)
        with self._world.call("routers.set_gateway", subject=subject) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                router = neutron.get(db, "routers", router_id, now)
                network = None
                if external_network_id is not None:
                    network = gateways.external(db, external_network_id, now)
                if router["external_network_id"] != external_network_id:
                    _check_gateway_unused(db, router)
                    gateways.disconnect(db, router_id)
                    if network is not None:
                        gateways.connect(db, router_id, network, call, now)
            return Receipt(request_id=call.request_id)

    def attach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        subject = self._world.describe("routers", router_id, subnet_id)
        with self._world.call("routers.attach_subnet", subject=subject) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.get(db, "routers", router_id, now)
                subnet = neutron.get(db, "subnets", subnet_id, now)
                _check_attachable(db, router_id, subnet)
                gateway_ip = subnet["gateway_ip"]
                addresses.check_free(db, subnet, gateway_ip, gateway_is_free=True)
                ports.add(
                    db,
                    call,
                    now,
                    [(subnet_id, gateway_ip)],
                    network_id=subnet["network_id"],
                    device_id=router_id,
                    device_owner=ROUTER_INTERFACE,
                )
            return Receipt(request_id=call.request_id)

    def detach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        subject = self._world.describe("routers", router_id, subnet_id)
        with self._world.call("routers.detach_subnet", subject=subject) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                router = neutron.get(db, "routers", router_id, now)
                neutron.get(db, "subnets", subnet_id, now)
                interface = ports.interface_of(db, router_id, subnet_id)
                if interface is None:
                    raise neutron.not_found(
                        "RouterInterfaceNotFoundForSubnet",
                        f"Router {router_id} has no interface on subnet {subnet_id}",
                    )
                if gateways.serves(db, router, subnet_id):
                    raise conflict(
                        "RouterInterfaceInUseByFloatingIP",
                        f"Router interface for subnet {subnet_id} on router {router_id}"
                        " cannot be deleted, as it is required by one or more floating"
                        " IPs.",
                    )
                ports.remove(db, interface)
            return Receipt(request_id=call.request_id)

    def delete(self, router_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("routers", router_id)
        with self._world.call("routers.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                neutron.get(db, "routers", router_id, self._world.now())
                if ports.owned_by(db, router_id, ROUTER_INTERFACE):
                    raise conflict("RouterInUse", f"Router {router_id} still has ports")
                gateways.disconnect(db, router_id)
                neutron.delete(db, "routers", router_id)
            return Receipt(request_id=call.request_id)


def _check_attachable(
    db: sqlite3.Connection, router_id: str, subnet: sqlite3.Row
) -> None:
    bad = "Bad router request: "
    if subnet["project"] != PROJECT:
        raise invalid(
            "BadRequest",
            f"{bad}Cannot add interface to router because subnet {subnet['id']} is not"
            " owned by project making the request",
        )
    for other in ports.subnets_of(db, router_id):
        if other["id"] == subnet["id"]:
            raise invalid(
                "BadRequest",
                f"{bad}Router already has a port on subnet {subnet['id']}.",
            )
        if ranges.overlap(subnet["cidr"], other["cidr"]):
            raise invalid(
                "BadRequest",
                f"{bad}Cidr {subnet['cidr']} of subnet {subnet['id']} overlaps with"
                f" cidr {other['cidr']} of subnet {other['id']}.",
            )
    if subnet["gateway_ip"] is None:
        raise invalid(
            "BadRequest", f"{bad}Subnet for router interface must have a gateway IP."
        )


def _check_gateway_unused(db: sqlite3.Connection, router: sqlite3.Row) -> None:
    for subnet in ports.subnets_of(db, router["id"]):
        if gateways.serves(db, router, subnet["id"]):
            raise conflict(
                "RouterExternalGatewayInUseByFloatingIp",
                f"Gateway cannot be updated for router {router['id']}, since a gateway"
                f" to external network {router['external_network_id']} is required by"
                " one or more floating IPs.",
            )


def _to_router(row: sqlite3.Row) -> Router:
    return Router(
        id=row["id"],
        name=row["name"],
        marker=row["marker"],
        external_network_id=row["external_network_id"],
        external_ip=row["external_ip"],
    )
