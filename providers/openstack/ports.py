"""The ports of Neutron."""

from collections.abc import Sequence

from providers.contract.calls import Receipt
from providers.contract.ports import FixedIP, Port, Ports, PortSpec
from providers.errors import Forbidden
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_FIELDS = (
    "id",
    "network_id",
    "description",
    "mac_address",
    "fixed_ips",
    "security_groups",
    "device_id",
    "device_owner",
)


class OpenStackPorts(Ports):
    def __init__(self, transport: Transport) -> None:
        self._ports = Collection(transport, "/ports", "port", fields=_FIELDS)

    def list_all(self) -> list[Port]:
        with reading("neutron"):
            return [_to_port(body) for body in self._ports.list_all()]

    def get(self, port_id: str) -> Port:
        with reading("neutron"):
            return _to_port(self._ports.get(port_id))

    def find(self, *, marker: str) -> list[Port]:
        with reading("neutron"):
            return [_to_port(body) for body in self._ports.find(marker)]

    def create(self, spec: PortSpec, *, request_id: str) -> Receipt:
        port: Json = {"network_id": spec.network_id, "name": spec.name}
        if spec.ip is not None:
            port["fixed_ips"] = [{"ip_address": spec.ip}]
        if spec.security_group_ids is not None:
            port["security_groups"] = list(spec.security_group_ids)
        return self._ports.create(port, marker=spec.marker, request_id=request_id)

    def set_security_groups(
        self, port_id: str, security_group_ids: Sequence[str], *, request_id: str
    ) -> Receipt:
        values = {"security_groups": list(security_group_ids)}
        return self._ports.update(port_id, values, request_id=request_id)

    def delete(self, port_id: str, *, request_id: str) -> Receipt:
        # Newer Neutron lets a member of a project delete unused ports, but none that
        # says it belongs to a server, even if that server is gone: release it first.
        try:
            return self._ports.delete(port_id, request_id=request_id)
        except Forbidden:
            unused = {"device_owner": ""}
            self._ports.update(port_id, unused, request_id=request_id)
            return self._ports.delete(port_id, request_id=request_id)


def _to_port(body: Json) -> Port:
    return Port(
        id=body["id"],
        network_id=body["network_id"],
        marker=marker_of(body),
        mac=body["mac_address"],
        fixed_ips=tuple(
            FixedIP(ip["subnet_id"], ip["ip_address"]) for ip in body["fixed_ips"]
        ),
        # A cloud without security groups says nothing of them.
        security_group_ids=tuple(body.get("security_groups") or ()),
        device_id=body["device_id"],
        device_owner=body["device_owner"],
    )
