"""Everything of Neutron's that is ours, or offered to us, at one moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from compute import clouds
from providers.contract.floating_ips import FloatingIP
from providers.contract.networks import Network
from providers.contract.ports import Port
from providers.contract.routers import Router
from providers.contract.security_groups import SecurityGroup
from providers.contract.subnets import Subnet

T = TypeVar("T", bound=Any)


@dataclass(frozen=True, slots=True)
class Listing:
    """What one pass has listed, of which every page arrived; by the cloud's ids."""

    started: datetime
    networks: Mapping[str, Network]
    subnets: Mapping[str, Subnet]
    routers: Mapping[str, Router]
    ports: Mapping[str, Port]
    floating_ips: Mapping[str, FloatingIP]
    groups: Mapping[str, SecurityGroup]

    def __len__(self) -> int:
        return sum(
            map(
                len,
                (
                    *(self.networks, self.subnets, self.routers),
                    *(self.ports, self.floating_ips, self.groups),
                ),
            )
        )


def list_all(alias: str, started: datetime, since: datetime | None) -> Listing:
    """List all of it: Neutron does not tell what has changed since."""
    cloud = clouds.get(alias)
    return Listing(
        started,
        networks=_by_id(cloud.networks.list_all()),
        subnets=_by_id(cloud.subnets.list_all()),
        routers=_by_id(cloud.routers.list_all()),
        # What is made of others after them: a port's group and subnet are known then.
        groups=_by_id(cloud.security_groups.list_all()),
        ports=_by_id(cloud.ports.list_all()),
        floating_ips=_by_id(cloud.floating_ips.list_all()),
    )


def _by_id(things: Iterable[T]) -> dict[str, T]:
    return {thing.id: thing for thing in things}
