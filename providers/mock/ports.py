"""Ports: each server has one, and some outlive their server."""

import uuid

from providers.base import Port, Receipt
from providers.errors import NotFound
from providers.mock.cloud import Cloud
from providers.mock.world.records import PROJECT


class Ports(Cloud):
    """The part of Neutron that servers need."""

    def list_ports(self) -> list[Port]:
        """Return the ports of our project that belong to servers, also to dead ones."""
        with self._call("list_ports"):
            db = self._store.connection()
            living = db.execute(
                "SELECT id FROM servers WHERE project = ? AND visible_at <= ?"
                " AND (deleted_at IS NULL OR deleted_at > ?)",
                (PROJECT, self._now(), self._now()),
            )
            left = db.execute("SELECT id, server_id FROM left_ports")
            return [
                *(Port(_port_of(row["id"]), row["id"]) for row in living),
                *(Port(row["id"], row["server_id"]) for row in left),
            ]

    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        """Delete a port that a server left behind."""
        with self._call("delete_port", subject=port_id) as call:
            with self._store.transaction() as db:
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
