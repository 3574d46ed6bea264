"""Ports: the places that servers and routers have on networks."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class FixedIP:
    """An address of a port."""

    subnet_id: str
    ip: str


@dataclass(frozen=True, slots=True)
class Port:
    """A place on a network."""

    id: str
    network_id: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    mac: str
    fixed_ips: tuple[FixedIP, ...]
    security_group_ids: tuple[str, ...]
    #: The server or router that has it; empty: none. What attaches or detaches it says
    #: it is done, or that it failed, independently of this: this is the truth.
    device_id: str
    #: In Neutron's words: ``compute:nova``, ``network:router_interface``, …
    device_owner: str

    @property
    def server_id(self) -> str:
        """The server that has it, which may be gone by now; empty: none."""
        return self.device_id if self.device_owner.startswith("compute:") else ""

    @property
    def router_id(self) -> str:
        """The router whose interface it is; empty: it is none."""
        interface = self.device_owner.startswith("network:router_interface")
        return self.device_id if interface else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortSpec:
    """What a new port shall be."""

    network_id: str
    name: str
    marker: str
    #: One that is free; ``None``: any.
    ip: str | None = None
    #: ``None``: the default group of our project.
    security_group_ids: Sequence[str] | None = None


class Ports(ABC):
    """The ports of our project. ``marker``: see `providers.contract.networks.Networks`."""

    @abstractmethod
    def list_all(self) -> list[Port]:
        """Return every port of our project, those of routers and dead servers too."""

    @abstractmethod
    def get(self, port_id: str) -> Port:
        """Return one port. Raises `providers.errors.NotFound` when it is gone."""

    @abstractmethod
    def find(self, *, marker: str) -> list[Port]:
        """Return the ports created with exactly this marker."""

    @abstractmethod
    def create(self, spec: PortSpec, *, request_id: str) -> Receipt:
        """Create a port that nothing uses yet; ``created_id`` is its id.

        Raises `providers.errors.NotFound` for an unknown network or group,
        `providers.errors.InvalidRequest` for an address outside of its subnets,
        `providers.errors.Forbidden` for an address chosen on a network of others,
        `providers.errors.Conflict` for one that is taken (code
        ``IpAddressAlreadyAllocated``) and when none is left (code
        ``IpAddressGenerationFailure``), `providers.errors.QuotaExceeded`.
        """

    @abstractmethod
    def set_security_groups(
        self, port_id: str, security_group_ids: Sequence[str], *, request_id: str
    ) -> Receipt:
        """Set the security groups of a port.

        Raises `providers.errors.NotFound` for an unknown port or group.
        """

    @abstractmethod
    def delete(self, port_id: str, *, request_id: str) -> Receipt:
        """Delete a port, also one that says it belongs to a server.

        A floating IP that points to it stays, and points nowhere. Raises
        `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` for a router's.
        """
