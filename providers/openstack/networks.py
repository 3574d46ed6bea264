"""The networks of Neutron, and which of them is for servers that name none."""

import threading

from providers.contract.calls import Receipt
from providers.contract.networks import Network, Networks
from providers.errors import InvalidRequest
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_FIELDS = (
    "id",
    "name",
    "description",
    "project_id",
    "shared",
    "router:external",
    "mtu",
)


class OpenStackNetworks(Networks):
    def __init__(self, transport: Transport, default: str) -> None:
        self._transport = transport
        self._networks = Collection(
            transport, "/networks", "network", fields=_FIELDS, shared=True
        )
        self._default = default
        self._default_id = ""
        self._default_lock = threading.Lock()

    def list_all(self) -> list[Network]:
        with reading("neutron"):
            found = self._networks.list_all()
            candidates = self._candidates(found)
            default_id = candidates[0]["id"] if len(candidates) == 1 else ""
            networks = [_to_network(body, default_id) for body in found]
        with self._default_lock:
            self._default_id = default_id
        return networks

    def find(self, *, marker: str) -> list[Network]:
        with reading("neutron"):
            found = self._networks.find(marker)
            return [_to_network(body, self._default_id) for body in found]

    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        return self._networks.create(
            {"name": name}, marker=marker, request_id=request_id
        )

    def delete(self, network_id: str, *, request_id: str) -> Receipt:
        return self._networks.delete(network_id, request_id=request_id)

    def default_id(self) -> str:
        """Return the id of the network new servers get, as the last listing had it.

        That is the cloud's option ``network`` (a name or an id), or else the only
        non-external network our project may use. Those that we made have an owner
        behind us and are for servers that name them: only the option's id can mean
        one. Raises `providers.errors.InvalidRequest` where that is none or several.
        """
        with self._default_lock:
            if not self._default_id:
                self._default_id = self._find_default()
            return self._default_id

    def _find_default(self) -> str:
        with reading("neutron"):
            found = self._candidates(self._networks.list_all())
            if len(found) == 1:
                return str(found[0]["id"])
            there = ", ".join(sorted(n["name"] or n["id"] for n in found)) or "none"
        wanted = f"named {self._default!r}" if self._default else "that is not external"
        raise InvalidRequest(
            f"A server that names no network needs exactly one {wanted}; there is {there}."
            " The cloud's option 'network' says which to take.",
            service="neutron",
            status=400,
        )

    def _candidates(self, networks: list[Json]) -> list[Json]:
        """Return what can be the default network; it is the default if it is alone."""
        unmarked = [n for n in networks if not marker_of(n)]
        if self._default:
            by_id = [n for n in networks if n["id"] == self._default]
            return by_id or [n for n in unmarked if n["name"] == self._default]
        project_id = self._transport.project_id
        return [
            n
            for n in unmarked
            if not n["router:external"]
            and (n["shared"] or n["project_id"] == project_id)
        ]


def _to_network(body: Json, default_id: str) -> Network:
    return Network(
        id=body["id"],
        name=body["name"],
        marker=marker_of(body),
        shared=body["shared"],
        external=body["router:external"],
        mtu=body["mtu"],
        default=body["id"] == default_id,
    )
