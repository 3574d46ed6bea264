"""The floating IPs of Neutron."""

from providers.contract.calls import Receipt
from providers.contract.floating_ips import FloatingIP, FloatingIPs
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_FIELDS = (
    "id",
    "floating_network_id",
    "description",
    "floating_ip_address",
    "port_id",
    "fixed_ip_address",
)


class OpenStackFloatingIPs(FloatingIPs):
    def __init__(self, transport: Transport) -> None:
        self._floating_ips = Collection(
            transport, "/floatingips", "floatingip", fields=_FIELDS
        )

    def list_all(self) -> list[FloatingIP]:
        with reading("neutron"):
            return [_to_floating_ip(body) for body in self._floating_ips.list_all()]

    def get(self, floating_ip_id: str) -> FloatingIP:
        with reading("neutron"):
            return _to_floating_ip(self._floating_ips.get(floating_ip_id))

    def find(self, *, marker: str) -> list[FloatingIP]:
        with reading("neutron"):
            return [_to_floating_ip(body) for body in self._floating_ips.find(marker)]

    def create(self, network_id: str, *, marker: str, request_id: str) -> Receipt:
        return self._floating_ips.create(
            {"floating_network_id": network_id}, marker=marker, request_id=request_id
        )

    def attach(
        self, floating_ip_id: str, *, port_id: str, fixed_ip: str, request_id: str
    ) -> Receipt:
        values = {"port_id": port_id, "fixed_ip_address": fixed_ip}
        return self._floating_ips.update(floating_ip_id, values, request_id=request_id)

    def detach(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        values = {"port_id": None}
        return self._floating_ips.update(floating_ip_id, values, request_id=request_id)

    def delete(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        return self._floating_ips.delete(floating_ip_id, request_id=request_id)


def _to_floating_ip(body: Json) -> FloatingIP:
    return FloatingIP(
        id=body["id"],
        network_id=body["floating_network_id"],
        marker=marker_of(body),
        address=body["floating_ip_address"],
        port_id=body["port_id"],
        fixed_ip=body["fixed_ip_address"],
    )
