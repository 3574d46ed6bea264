"""The subnets of Neutron."""

from collections.abc import Sequence

from providers.contract.calls import Receipt
from providers.contract.subnets import DEFAULT_GATEWAY, Subnet, Subnets, SubnetSpec
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.neutron import Collection, marker_of
from providers.openstack.wire.transport import Transport

_FIELDS = (
    "id",
    "network_id",
    "name",
    "description",
    "cidr",
    "ip_version",
    "gateway_ip",
    "dns_nameservers",
    "enable_dhcp",
    "allocation_pools",
)


class OpenStackSubnets(Subnets):
    def __init__(self, transport: Transport) -> None:
        self._subnets = Collection(
            transport, "/subnets", "subnet", fields=_FIELDS, shared=True
        )

    def list_all(self) -> list[Subnet]:
        with reading("neutron"):
            return [_to_subnet(body) for body in self._subnets.list_all()]

    def find(self, *, marker: str) -> list[Subnet]:
        with reading("neutron"):
            return [_to_subnet(body) for body in self._subnets.find(marker)]

    def create(self, spec: SubnetSpec, *, request_id: str) -> Receipt:
        subnet: Json = {
            "network_id": spec.network_id,
            "name": spec.name,
            "cidr": spec.cidr,
            "ip_version": 6 if ":" in spec.cidr else 4,
            "enable_dhcp": spec.dhcp,
            "dns_nameservers": list(spec.dns_nameservers),
        }
        if subnet["ip_version"] == 6 and spec.dhcp:
            # Neutron's own choice is that nothing tells a server its address.
            mode = "slaac" if spec.cidr.endswith("/64") else "dhcpv6-stateful"
            subnet |= {"ipv6_ra_mode": mode, "ipv6_address_mode": mode}
        if spec.gateway_ip != DEFAULT_GATEWAY:
            subnet["gateway_ip"] = spec.gateway_ip
        if spec.allocation_pools:
            subnet["allocation_pools"] = [
                {"start": first, "end": last} for first, last in spec.allocation_pools
            ]
        return self._subnets.create(subnet, marker=spec.marker, request_id=request_id)

    def update(
        self,
        subnet_id: str,
        *,
        gateway_ip: str | None,
        dns_nameservers: Sequence[str],
        request_id: str,
    ) -> Receipt:
        values = {"gateway_ip": gateway_ip, "dns_nameservers": list(dns_nameservers)}
        return self._subnets.update(subnet_id, values, request_id=request_id)

    def delete(self, subnet_id: str, *, request_id: str) -> Receipt:
        return self._subnets.delete(subnet_id, request_id=request_id)


def _to_subnet(body: Json) -> Subnet:
    return Subnet(
        id=body["id"],
        network_id=body["network_id"],
        name=body["name"],
        marker=marker_of(body),
        cidr=body["cidr"],
        ip_version=body["ip_version"],
        gateway_ip=body["gateway_ip"],
        dns_nameservers=tuple(body["dns_nameservers"]),
        dhcp=body["enable_dhcp"],
        allocation_pools=tuple(
            (pool["start"], pool["end"]) for pool in body["allocation_pools"]
        ),
    )
