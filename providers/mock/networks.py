"""The networks of the mock cloud."""

import sqlite3

from providers.contract.calls import Receipt
from providers.contract.networks import Network, Networks
from providers.mock.world import neutron, ports
from providers.mock.world.seed import PROJECT
from providers.mock.world.world import World


class MockNetworks(Networks):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Network]:
        with self._world.call("networks.list_all"):
            return self._read("1")

    def find(self, *, marker: str) -> list[Network]:
        with self._world.call("networks.find", subject=marker):
            return self._read("marker = ?", marker)

    def _read(self, where: str, *values: object) -> list[Network]:
        db, now = self._world.store.connection(), self._world.now()
        found = neutron.rows(db, "networks", now, where, *values)
        return [_to_network(row) for row in found]

    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        with self._world.call("networks.create", subject=f"{name} {marker}") as call:
            neutron.check_texts(name, marker)
            with self._world.store.transaction() as db:
                neutron.check_quota(db, "networks")
                now = self._world.now()
                network_id = neutron.insert(
                    db, "networks", call, now, name=name, marker=marker
                )
            return Receipt(request_id=call.request_id, created_id=network_id)

    def delete(self, network_id: str, *, request_id: str) -> Receipt:
        subject = self._world.describe("networks", network_id)
        with self._world.call("networks.delete", subject=subject) as call:
            with self._world.store.transaction() as db:
                network = neutron.get(db, "networks", network_id, self._world.now())
                if network["project"] != PROJECT:
                    raise neutron.forbidden("delete_network")
                used = ports.ids_on(db, network_id)
                if used:
                    raise neutron.conflict(
                        "NetworkInUse",
                        f"Unable to complete operation on network {network_id}. There"
                        " are one or more ports still in use on the network, id for"
                        f" these ports is: {','.join(used)}.",
                    )
                db.execute("DELETE FROM subnets WHERE network_id = ?", (network_id,))
                neutron.delete(db, "networks", network_id)
            return Receipt(request_id=call.request_id)


def _to_network(row: sqlite3.Row) -> Network:
    return Network(
        id=row["id"],
        name=row["name"],
        marker=row["marker"],
        shared=bool(row["shared"]),
        external=bool(row["external"]),
        mtu=row["mtu"],
        default=bool(row["is_default"]),
    )
