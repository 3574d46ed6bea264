"""Floating IPs: addresses of an external network that lead to a port."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class FloatingIP:
    """An address of an external network, ours until it is deleted."""

    id: str
    network_id: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    address: str
    #: ``None``: it leads nowhere.
    port_id: str | None
    #: The address of the port that it leads to.
    fixed_ip: str | None


class FloatingIPs(ABC):
    """The floating IPs of our project.

    ``marker``: see `providers.contract.networks.Networks`.
    """

    @abstractmethod
    def list_all(self) -> list[FloatingIP]:
        """Return every floating IP of our project."""

    @abstractmethod
    def get(self, floating_ip_id: str) -> FloatingIP:
        """Return one. Raises `providers.errors.NotFound` when it is gone."""

    @abstractmethod
    def find(self, *, marker: str) -> list[FloatingIP]:
        """Return the floating IPs created with exactly this marker."""

    @abstractmethod
    def create(self, network_id: str, *, marker: str, request_id: str) -> Receipt:
        """Take an address of an external network; ``created_id`` is its id.

        Raises `providers.errors.NotFound` for an unknown network,
        `providers.errors.InvalidRequest` for one that is not external or has no IPv4,
        `providers.errors.Conflict` with code ``IpAddressGenerationFailure`` when no
        address is left, `providers.errors.QuotaExceeded`.
        """

    @abstractmethod
    def attach(
        self, floating_ip_id: str, *, port_id: str, fixed_ip: str, request_id: str
    ) -> Receipt:
        """Lead it to an address of a port, away from wherever it led.

        Doing the same again changes nothing. Raises `providers.errors.NotFound` for
        an unknown floating IP or port, and with code
        ``ExternalGatewayForFloatingIPNotFound`` for a port that is behind no router to
        its network; `providers.errors.InvalidRequest` for an address that the port does
        not have; `providers.errors.Conflict` when another one leads there.
        """

    @abstractmethod
    def detach(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        """Lead it nowhere; one that leads nowhere stays as it is.

        Raises `providers.errors.NotFound` when it is gone.
        """

    @abstractmethod
    def delete(self, floating_ip_id: str, *, request_id: str) -> Receipt:
        """Give the address back, wherever it leads.

        Raises `providers.errors.NotFound` when it is gone already.
        """
