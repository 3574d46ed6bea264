"""The hands of the contract suite for Neutron: what a test makes, and removes again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar
from uuid import uuid4

import pytest

from providers.contract.calls import Receipt
from providers.contract.cloud import Cloud
from providers.contract.floating_ips import FloatingIP
from providers.contract.networks import MARKER_PREFIX, Network
from providers.contract.ports import Port, PortSpec
from providers.contract.routers import Router
from providers.contract.security_groups import (
    RuleSpec,
    SecurityGroup,
    SecurityGroupRule,
)
from providers.contract.subnets import DEFAULT_GATEWAY, Subnet, SubnetSpec
from providers.errors import Conflict, InvalidRequest, NotFound, ProviderError
from tests.support.contract_cloud import WaitUntil, new_request_id

T = TypeVar("T")

CIDR = "10.93.0.0/24"
_STATUSES: dict[type[ProviderError], int] = {
    InvalidRequest: 400,
    NotFound: 404,
    Conflict: 409,
}


def new_marker() -> str:
    """Return a marker with small letters, of which another case is another marker."""
    return f"{MARKER_PREFIX}{uuid4()}"


def new_name() -> str:
    return f"contract-{uuid4().hex[:8]}"


@contextmanager
def refused(error: type[ProviderError], code: str) -> Iterator[None]:
    """Expect Neutron's refusal of this name."""
    with pytest.raises(error) as caught:
        yield
    refusal = caught.value
    assert (refusal.service, refusal.code) == ("neutron", code)
    assert refusal.status == _STATUSES[error]
    assert refusal.message


@dataclass(frozen=True, slots=True)
class Outlet:
    """A network with a way to the outside."""

    external_id: str
    network_id: str
    subnet_id: str
    router_id: str


class Networking:
    """Makes things in a cloud under test; `clean_up` removes them in an order that works.

    On a real cloud the quotas are small: every test has its own and cleans up.
    """

    def __init__(self, cloud: Cloud, wait_until: WaitUntil) -> None:
        self.cloud = cloud
        self._wait_until = wait_until
        self._floating_ips: list[str] = []
        self._ports: list[str] = []
        self._interfaces: list[tuple[str, str]] = []
        self._routers: list[str] = []
        self._networks: list[str] = []
        self._groups: list[str] = []

    # Networks and subnets

    def external(self) -> Network:
        """Return a network that floating IPs come from."""
        found = [n for n in self.cloud.networks.list_all() if n.external]
        if not found:
            pytest.skip("this cloud has no external network")
        return found[0]

    def network(self, name: str | None = None, *, marker: str | None = None) -> Network:
        receipt = self.cloud.networks.create(
            name or new_name(),
            marker=marker or new_marker(),
            request_id=new_request_id(),
        )
        network_id = _created(receipt)
        self._networks.append(network_id)
        return self.read_network(network_id)

    def read_network(self, network_id: str) -> Network:
        return _one(n for n in self.cloud.networks.list_all() if n.id == network_id)

    def subnet(
        self,
        network_id: str,
        cidr: str = CIDR,
        *,
        marker: str | None = None,
        gateway_ip: str | None = DEFAULT_GATEWAY,
        dns_nameservers: Sequence[str] = (),
        dhcp: bool = True,
        allocation_pools: Sequence[tuple[str, str]] = (),
    ) -> Subnet:
        spec = SubnetSpec(
            network_id=network_id,
            name=new_name(),
            marker=marker or new_marker(),
            cidr=cidr,
            gateway_ip=gateway_ip,
            dns_nameservers=dns_nameservers,
            dhcp=dhcp,
            allocation_pools=allocation_pools,
        )
        receipt = self.cloud.subnets.create(spec, request_id=new_request_id())
        return self.read_subnet(_created(receipt))

    def read_subnet(self, subnet_id: str) -> Subnet:
        return _one(s for s in self.cloud.subnets.list_all() if s.id == subnet_id)

    def usable_network(self, cidr: str = CIDR) -> Subnet:
        """Return the subnet of a new network."""
        return self.subnet(self.network().id, cidr)

    # Routers

    def router(
        self, external_network_id: str | None = None, *, marker: str | None = None
    ) -> Router:
        receipt = self.cloud.routers.create(
            new_name(),
            marker=marker or new_marker(),
            external_network_id=external_network_id,
            request_id=new_request_id(),
        )
        router_id = _created(receipt)
        self._routers.append(router_id)
        return self.cloud.routers.get(router_id)

    def connect(self, router_id: str, subnet_id: str) -> Receipt:
        """Attach a subnet to a router."""
        receipt = self.cloud.routers.attach_subnet(
            router_id, subnet_id, request_id=new_request_id()
        )
        self._interfaces.append((router_id, subnet_id))
        return receipt

    def outlet(self, cidr: str = CIDR) -> Outlet:
        """Return a new network behind a new router to the outside."""
        external, subnet = self.external(), self.usable_network(cidr)
        router = self.router(external.id)
        self.connect(router.id, subnet.id)
        return Outlet(external.id, subnet.network_id, subnet.id, router.id)

    # Ports and floating IPs

    def port(
        self,
        network_id: str,
        *,
        marker: str | None = None,
        ip: str | None = None,
        security_group_ids: Sequence[str] | None = None,
    ) -> Port:
        spec = PortSpec(
            network_id=network_id,
            name=new_name(),
            marker=marker or new_marker(),
            ip=ip,
            security_group_ids=security_group_ids,
        )
        receipt = self.cloud.ports.create(spec, request_id=new_request_id())
        port_id = _created(receipt)
        self._ports.append(port_id)
        return self.cloud.ports.get(port_id)

    def floating_ip(self, *, marker: str | None = None) -> FloatingIP:
        receipt = self.cloud.floating_ips.create(
            self.external().id,
            marker=marker or new_marker(),
            request_id=new_request_id(),
        )
        floating_ip_id = _created(receipt)
        self._floating_ips.append(floating_ip_id)
        return self.cloud.floating_ips.get(floating_ip_id)

    def lead(self, floating_ip: FloatingIP, port: Port) -> FloatingIP:
        """Attach a floating IP to the first address of a port."""
        self.cloud.floating_ips.attach(
            floating_ip.id,
            port_id=port.id,
            fixed_ip=port.fixed_ips[0].ip,
            request_id=new_request_id(),
        )
        return self.cloud.floating_ips.get(floating_ip.id)

    # Security groups

    def group(
        self, name: str | None = None, *, marker: str | None = None
    ) -> SecurityGroup:
        receipt = self.cloud.security_groups.create(
            name or new_name(),
            marker=marker or new_marker(),
            request_id=new_request_id(),
        )
        group_id = _created(receipt)
        self._groups.append(group_id)
        return self.cloud.security_groups.get(group_id)

    def rule(self, spec: RuleSpec) -> SecurityGroupRule:
        receipt = self.cloud.security_groups.create_rule(
            spec, request_id=new_request_id()
        )
        rule_id = _created(receipt)
        group = self.cloud.security_groups.get(spec.group_id)
        return _one(rule for rule in group.rules if rule.id == rule_id)

    def clean_up(self) -> None:
        """Delete everything that was made here."""
        cloud = self.cloud
        for floating_ip_id in self._floating_ips:
            self._delete(cloud.floating_ips.delete, floating_ip_id)
        for port_id in self._ports:
            self._delete(cloud.ports.delete, port_id)
        for router_id, subnet_id in self._interfaces:
            with suppress(NotFound):
                cloud.routers.detach_subnet(
                    router_id, subnet_id, request_id=new_request_id()
                )
        for router_id in self._routers:
            self._delete(cloud.routers.delete, router_id)
        for network_id in self._networks:
            self._delete(cloud.networks.delete, network_id)
        for group_id in self._groups:
            self._delete(cloud.security_groups.delete, group_id)

    def _delete(self, delete: Callable[..., Receipt], id: str) -> None:
        def deleted() -> bool:
            try:
                delete(id, request_id=new_request_id())
            except NotFound:
                return True
            except Conflict:  # for some moments after what used it is gone
                return False
            return True

        self._wait_until(deleted)


def _created(receipt: Receipt) -> str:
    assert receipt.request_id
    assert receipt.created_id
    return receipt.created_id


def _one(found: Iterator[T]) -> T:
    (thing,) = found
    return thing
