"""Routers: what connects subnets with each other and with an external network."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class Router:
    """A router. Its subnets are told by the ports that it has on them."""

    id: str
    name: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    #: ``None``: it has no gateway.
    external_network_id: str | None
    #: Its own address there.
    external_ip: str | None


class Routers(ABC):
    """The routers of our project.

    ``marker``: see `providers.contract.networks.Networks`. A router that is found again
    may lack its gateway: Neutron makes it in a second step.
    """

    @abstractmethod
    def list_all(self) -> list[Router]:
        """Return every router of our project."""

    @abstractmethod
    def get(self, router_id: str) -> Router:
        """Return one router. Raises `providers.errors.NotFound` when it is gone."""

    @abstractmethod
    def find(self, *, marker: str) -> list[Router]:
        """Return the routers created with exactly this marker."""

    @abstractmethod
    def create(
        self,
        name: str,
        *,
        marker: str,
        external_network_id: str | None,
        request_id: str,
    ) -> Receipt:
        """Create a router, with a gateway to an external network if one is named.

        ``created_id`` is its id. Raises `providers.errors.NotFound` for an unknown
        network, `providers.errors.InvalidRequest` for one that is not external,
        `providers.errors.Conflict` with code ``IpAddressGenerationFailure`` when it has
        no address left, `providers.errors.QuotaExceeded`. Then there is no router.
        """

    @abstractmethod
    def set_gateway(
        self, router_id: str, external_network_id: str | None, *, request_id: str
    ) -> Receipt:
        """Connect a router to an external network, or (``None``) to none.

        Setting the same again changes nothing. Raises as `create` does, and
        `providers.errors.Conflict` while a floating IP needs the present gateway.
        """

    @abstractmethod
    def attach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        """Connect a subnet; the router takes the address of its gateway.

        Raises `providers.errors.NotFound` for an unknown router or subnet;
        `providers.errors.InvalidRequest` when the router has the subnet already or one
        that overlaps with it, or the subnet has no gateway;
        `providers.errors.Conflict` when the gateway's address is taken, as by another
        router.
        """

    @abstractmethod
    def detach_subnet(
        self, router_id: str, subnet_id: str, *, request_id: str
    ) -> Receipt:
        """Disconnect a subnet.

        Raises `providers.errors.NotFound` when it is not connected, or the router is
        gone, and `providers.errors.Conflict` while a floating IP needs it.
        """

    @abstractmethod
    def delete(self, router_id: str, *, request_id: str) -> Receipt:
        """Delete a router, with its gateway.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while it has subnets.
        """
