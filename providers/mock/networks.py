"""The networks of the mock cloud: each server has a port, and some outlive theirs."""

import uuid

from providers.contract.calls import Receipt
from providers.contract.networks import Networks, Port
from providers.errors import NotFound
from providers.mock.world.records import PROJECT
from providers.mock.world.world import World


class MockNetworks(Networks):
    def __init__(self, world: World) -> None:
        self._world = world
        world.store.keep(
            "CREATE TABLE IF NOT EXISTS left_ports"
            " (id TEXT PRIMARY KEY, server_id TEXT NOT NULL) WITHOUT ROWID"
        )

    def list_ports(self) -> list[Port]:
        with self._world.call("networks.list_ports"):
            db, now = self._world.store.connection(), self._world.now()
            living = db.execute(
                "SELECT id FROM servers WHERE project = ? AND visible_at <= ?"
                " AND (deleted_at IS NULL OR deleted_at > ?)",
                (PROJECT, now, now),
            )
            left = db.execute("SELECT id, server_id FROM left_ports")
            return [
                *(Port(_port_of(row["id"]), row["id"]) for row in living),
                *(Port(row["id"], row["server_id"]) for row in left),
            ]

    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        with self._world.call("networks.delete_port", subject=port_id) as call:
            with self._world.store.transaction() as db:
                done = db.execute("DELETE FROM left_ports WHERE id = ?", (port_id,))
            if not done.rowcount:
                raise NotFound(
                    f"Port {port_id} could not be found.",
                    service="neutron",
                    status=404,
                    request_id=call.request_id,
                )
            return Receipt(request_id=call.request_id)


def _port_of(server_id: str) -> str:
    return str(uuid.uuid5(uuid.UUID(server_id), "port"))
