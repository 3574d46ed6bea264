"""The ports of the mock cloud."""

import json
import sqlite3
from collections.abc import Sequence

from providers.contract.calls import Receipt
from providers.contract.ports import Port, Ports, PortSpec
from providers.mock.world import addresses, neutron, ports
from providers.mock.world.seed import PROJECT
from providers.mock.world.topology import DEFAULT_GROUP
from providers.mock.world.world import World


class MockPorts(Ports):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Port]:
        with self._world.call("ports.list_all"):
            return self._read("project = ?", PROJECT)

    def get(self, port_id: str) -> Port:
        subject = self._world.describe("ports", port_id)
        with self._world.call("ports.get", subject=subject):
            found = self._read("id = ? AND project = ?", port_id, PROJECT)
            if not found:
                raise neutron.missing("ports", port_id)
            return found[0]

    def find(self, *, marker: str) -> list[Port]:
        with self._world.call("ports.find", subject=marker):
            return self._read("marker = ? AND project = ?", marker, PROJECT)

    def _read(self, where: str, *values: object) -> list[Port]:
        db, now = self._world.store.connection(), self._world.now()
        return ports.to_ports(db, neutron.rows(db, "ports", now, where, *values))

    def create(self, spec: PortSpec, *, request_id: str) -> Receipt:
        subject = f"{spec.name} {spec.marker} {spec.network_id}"
        with self._world.call("ports.create", subject=subject) as call:
            neutron.check_texts(spec.name, spec.marker)
            with self._world.store.transaction() as db:
                now = self._world.now()
                neutron.check_quota(db, "ports")
                network = neutron.get(db, "networks", spec.network_id, now)
                if spec.ip is not None and network["project"] != PROJECT:
                    raise neutron.forbidden("create_port:fixed_ips")
                groups = spec.security_group_ids
                if groups is None:
                    groups = [DEFAULT_GROUP]
                _check_groups(db, groups, now)
                mac = ports.free_mac(db)
                chosen = addresses.choose(db, network, mac=mac, ip=spec.ip)
                port_id = ports.add(
                    db,
                    call,
                    now,
                    chosen,
                    name=spec.name,
                    marker=spec.marker,
                    network_id=spec.network_id,
                    mac=mac,
                    security_group_ids=json.dumps(list(dict.fromkeys(groups))),
                )
            return Receipt(request_id=call.request_id, created_id=port_id)

    def set_security_groups(
        self, port_id: str, security_group_ids: Sequence[str], *, request_id: str
    ) -> Receipt:
        subject = self._world.describe("ports", port_id, *security_group_ids)
        with self._world.call("ports.set_security_groups", subject=subject) as call:
            with self._world.store.transaction() as db:
                now = self._world.now()
                _get(db, port_id, now)
                _check_groups(db, security_group_ids, now)
                groups = list(dict.fromkeys(security_group_ids))
                db.execute(
                    "UPDATE ports SET security_group_ids = ? WHERE id = ?",
                    (json.dumps(groups), port_id),
                )
            return Receipt(request_id=call.request_id)

    def delete(self, port_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("ports", port_id)
        with self._world.call("ports.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                port = _get(db, port_id, self._world.now())
                if port["device_owner"].startswith("network:"):
                    raise neutron.conflict(
                        "ServicePortInUse",
                        f"Port {port_id} cannot be deleted directly via the port API:"
                        f" has device owner {port['device_owner']}.",
                    )
                ports.remove(db, port_id)
            return Receipt(request_id=call.request_id)


def _get(db: sqlite3.Connection, port_id: str, now: int) -> sqlite3.Row:
    port = neutron.get(db, "ports", port_id, now)
    if port["project"] != PROJECT:
        raise neutron.missing("ports", port_id)
    return port


def _check_groups(db: sqlite3.Connection, groups: Sequence[str], now: int) -> None:
    for group_id in groups:
        neutron.get(db, "security_groups", group_id, now)
