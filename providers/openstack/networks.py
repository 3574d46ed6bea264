"""The networks of Neutron: the ports on them, and the one for servers that name none."""

import threading

from providers.contract.calls import Receipt
from providers.contract.networks import Networks, Port
from providers.errors import Forbidden, InvalidRequest
from providers.openstack.wire.answers import reading
from providers.openstack.wire.refusals import request_id_of
from providers.openstack.wire.transport import Transport


class OpenStackNetworks(Networks):
    def __init__(self, transport: Transport, default: str) -> None:
        self._transport = transport
        self._default = default
        self._default_id = ""
        self._default_lock = threading.Lock()

    def list_ports(self) -> list[Port]:
        params = {
            "fields": ["id", "device_id", "device_owner"],
            "project_id": self._transport.project_id,
        }
        with reading("neutron"):
            ports = self._transport.read_all(
                "neutron", "/ports", "ports", params=params
            )
            return [
                Port(id=port["id"], server_id=port["device_id"])
                for port in ports
                if port["device_owner"].startswith("compute:")
            ]

    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        path = f"/ports/{port_id}"
        # Newer Neutron lets a member of a project delete unused ports, but none that
        # says it belongs to a server, even if that server is gone: release it first.
        try:
            answer = self._transport.request(
                "neutron", "DELETE", path, request_id=request_id
            )
        except Forbidden:
            unused = {"port": {"device_owner": ""}}
            self._transport.request(
                "neutron", "PUT", path, json=unused, request_id=request_id
            )
            answer = self._transport.request(
                "neutron", "DELETE", path, request_id=request_id
            )
        return Receipt(request_id_of(answer))

    def default_id(self) -> str:
        """Return the id of the network new servers get; asked once, then known.

        That is the cloud's option ``network`` (a name or an id), or else the only
        non-external network our project may use. Raises
        `providers.errors.InvalidRequest` where that is none or several.
        """
        with self._default_lock:
            if not self._default_id:
                self._default_id = self._find_default()
            return self._default_id

    def _find_default(self) -> str:
        with reading("neutron"):
            networks = self._transport.read_all("neutron", "/networks", "networks")
            if self._default:
                found = [n for n in networks if self._default in (n["id"], n["name"])]
                wanted = f"named {self._default!r}"
            else:
                project_id = self._transport.project_id
                found = [
                    n
                    for n in networks
                    if not n["router:external"]
                    and (n["shared"] or n["project_id"] == project_id)
                ]
                wanted = "that is not external"
            if len(found) == 1:
                return str(found[0]["id"])
            there = ", ".join(sorted(n["name"] or n["id"] for n in found)) or "none"
        raise InvalidRequest(
            f"A server that names no network needs exactly one {wanted}; there is {there}."
            " The cloud's option 'network' says which to take.",
            service="neutron",
            status=400,
        )
