"""Subnets: the ranges of addresses of networks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class Subnet:
    """A range of addresses of one network."""

    id: str
    network_id: str
    name: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    cidr: str
    ip_version: int
    gateway_ip: str | None
    dns_nameservers: tuple[str, ...]
    dhcp: bool
    #: First and last address of each range that ports get addresses from.
    allocation_pools: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubnetSpec:
    """What a new subnet shall be."""

    network_id: str
    name: str
    marker: str
    cidr: str
    #: ``None``: none; `DEFAULT_GATEWAY`: the first address.
    gateway_ip: str | None
    dns_nameservers: Sequence[str] = ()
    dhcp: bool = True
    #: Empty: all of it.
    allocation_pools: Sequence[tuple[str, str]] = ()


#: The gateway that Neutron chooses: the first address of the subnet.
DEFAULT_GATEWAY = "default"


class Subnets(ABC):
    """The subnets of the networks that our project sees.

    IPv6 subnets configure addresses by SLAAC where they are a /64 with DHCP on, else by
    stateful DHCP. ``marker``: see `providers.contract.networks.Networks`.
    """

    @abstractmethod
    def list_all(self) -> list[Subnet]:
        """Return every subnet that our project sees."""

    @abstractmethod
    def find(self, *, marker: str) -> list[Subnet]:
        """Return the subnets created with exactly this marker."""

    @abstractmethod
    def create(self, spec: SubnetSpec, *, request_id: str) -> Receipt:
        """Create a subnet; ``created_id`` is its id.

        Raises `providers.errors.InvalidRequest` for a CIDR that overlaps with another
        subnet of the network or cannot be used, pools or a gateway that do not fit, or
        too many nameservers; `providers.errors.Conflict` for a gateway inside a pool;
        `providers.errors.NotFound` for an unknown network;
        `providers.errors.QuotaExceeded`.
        """

    @abstractmethod
    def update(
        self,
        subnet_id: str,
        *,
        gateway_ip: str | None,
        dns_nameservers: Sequence[str],
        request_id: str,
    ) -> Receipt:
        """Set the gateway (``None``: none) and the nameservers of a subnet.

        Raises `providers.errors.NotFound`, `providers.errors.InvalidRequest`, and
        `providers.errors.Conflict` for a gateway inside a pool, and for another or none
        while a router has this one.
        """

    @abstractmethod
    def delete(self, subnet_id: str, *, request_id: str) -> Receipt:
        """Delete a subnet.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while a port of a server or router has an address of
        it; addresses by SLAAC of ports of servers do not hold it, and go with it.
        """
