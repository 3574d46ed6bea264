"""Networks: the ports that servers have on them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class Port:
    """A server's place on a network."""

    id: str
    server_id: str


class Networks(ABC):
    """The networks of a cloud."""

    @abstractmethod
    def list_ports(self) -> list[Port]:
        """Return the ports of our project that belong to servers, also to dead ones."""

    @abstractmethod
    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        """Delete a port that a server left behind.

        Raises `providers.errors.NotFound` when it is gone already.
        """
