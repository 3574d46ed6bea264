"""Networks."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt

#: What the ``marker`` of anything begins with: no words of others are taken for one.
MARKER_PREFIX = "vmmanager:"


@dataclass(frozen=True, slots=True)
class Network:
    """A network, ours or one that the cloud offers to everybody."""

    id: str
    name: str
    #: The ``marker`` it was created with; empty: it has none.
    marker: str
    #: Whether the cloud offers it to all projects.
    shared: bool
    #: Whether floating IPs and gateways of routers come from it.
    external: bool
    mtu: int
    #: Whether servers get it that name no port. At most one of a cloud is; one with a
    #: marker has an owner behind us, and is it only if the cloud's options name its id.
    default: bool = False

    @property
    def is_offered(self) -> bool:
        """Whether it is for all of the cloud's projects, and so of none."""
        return self.shared or self.external or self.default


class Networks(ABC):
    """The networks of our project, and those that the cloud offers to it.

    ``marker`` is ours, begins with `MARKER_PREFIX` and is given in the create call
    itself, so that what was created by a call whose answer was lost can be found again:
    Neutron has no client token.
    """

    @abstractmethod
    def list_all(self) -> list[Network]:
        """Return every network that our project sees."""

    @abstractmethod
    def find(self, *, marker: str) -> list[Network]:
        """Return the networks created with exactly this marker."""

    @abstractmethod
    def create(self, name: str, *, marker: str, request_id: str) -> Receipt:
        """Create a network without subnets; ``created_id`` is its id.

        Raises `providers.errors.QuotaExceeded`.
        """

    @abstractmethod
    def delete(self, network_id: str, *, request_id: str) -> Receipt:
        """Delete a network and its subnets.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while a server or a router has a port on it.
        """
