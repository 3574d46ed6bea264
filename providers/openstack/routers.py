"""The routers of Neutron."""

from providers.contract.calls import Receipt
from providers.contract.routers import Router, Routers
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_FIELDS = ("id", "name", "description", "external_gateway_info")


class OpenStackRouters(Routers):
    def __init__(self, transport: Transport) -> None:
        self._routers = Collection(transport, "/routers", "router", fields=_FIELDS)

    def list_all(self) -> list[Router]:
        with reading("neutron"):
            return [_to_router(body) for body in self._routers.list_all()]

    def get(self, router_id: str) -> Router:
        with reading("neutron"):
            return _to_router(self._routers.get(router_id))

    def find(self, *, marker: str) -> list[Router]:
        with reading("neutron"):
            return [_to_router(body) for body in self._routers.find(marker)]

    def create(
        self,
        name: str,
        *,
        marker: str,
        external_network_id: str | None,
        request_id: str,
    ) -> Receipt:
        router = {"name": name, **_gateway(external_network_id)}
        return self._routers.create(router, marker=marker, request_id=request_id)

    def set_gateway(
        self, router_id: str, external_network_id: str | None, *, request_id: str
    ) -> Receipt:
        gateway = _gateway(external_network_id)
        return self._routers.update(router_id, gateway, request_id=request_id)

    def attach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        return self._routers.put(
            f"{router_id}/add_router_interface",
            {"subnet_id": subnet_id},
            request_id=request_id,
        )

    def detach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        return self._routers.put(
            f"{router_id}/remove_router_interface",
            {"subnet_id": subnet_id},
            request_id=request_id,
        )

    def delete(self, router_id: str, *, request_id: str) -> Receipt:
        return self._routers.delete(router_id, request_id=request_id)


def _gateway(external_network_id: str | None) -> Json:
    gateway = external_network_id and {"network_id": external_network_id}
    return {"external_gateway_info": gateway}


def _to_router(body: Json) -> Router:
    gateway = body["external_gateway_info"] or {}
    addresses = [ip["ip_address"] for ip in gateway.get("external_fixed_ips", ())]
    return Router(
        id=body["id"],
        name=body["name"],
        marker=marker_of(body),
        external_network_id=gateway.get("network_id"),
        # Of several the first IPv4.
        external_ip=min(addresses, key=lambda ip: ":" in ip, default=None),
    )
