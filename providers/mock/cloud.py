"""The mock cloud: its options and its services."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from providers.contract.cloud import Cloud
from providers.mock.flavors import MockFlavors
from providers.mock.floating_ips import MockFloatingIPs
from providers.mock.images import MockImages
from providers.mock.keypairs import MockKeypairs
from providers.mock.networks import MockNetworks
from providers.mock.ports import MockPorts
from providers.mock.routers import MockRouters
from providers.mock.security_groups import MockSecurityGroups
from providers.mock.servers import MockServers
from providers.mock.subnets import MockSubnets
from providers.mock.world.controls import Controls
from providers.mock.world.store import Store
from providers.mock.world.world import World


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MockCloud(Cloud):
    """A cloud of imagined servers that behaves as Nova, Glance and Neutron do.

    Options: ``path``, the SQLite file that is the cloud; ``delay``, a factor on the
    duration of every action (1 is about a small real OpenStack, 0 ends everything at
    once); ``page_size`` of listings; ``quota``, the number of servers (0: no limit);
    ``outages``: in so many minutes nobody listens for one (0: never);
    ``remote_consoles``: 0 where it offers none.
    ``clock`` is for tests that move time. Raises ValueError for a wrong option.
    """

    def __init__(
        self,
        *,
        path: str,
        delay: str = "1",
        page_size: str = "1000",
        quota: str = "0",
        outages: str = "0",
        remote_consoles: str = "1",
        clock: Callable[[], datetime] = _utc_now,
        **unknown: str,
    ) -> None:
        for name in unknown:
            raise ValueError(f"mock:// has no option {name!r}")
        self.world = world = World(
            Store(Path(path)),
            clock,
            pace=_number("delay", delay, least=0.0),
            page_size=int(_number("page_size", page_size, least=1)),
            quota=int(_number("quota", quota, least=0)),
            outages=int(_number("outages", outages, least=0)),
            remote_consoles=_number("remote_consoles", remote_consoles, least=0) > 0,
            call_timeout=5.0,
        )
        #: Not in the contract: what tests, demos and operators may do to it.
        self.controls = Controls(world)
        super().__init__(
            call_timeout=world.call_timeout,
            tally=world.tally,
            flavors=MockFlavors(world),
            floating_ips=MockFloatingIPs(world),
            images=MockImages(world),
            keypairs=MockKeypairs(world),
            networks=MockNetworks(world),
            ports=MockPorts(world),
            routers=MockRouters(world),
            security_groups=MockSecurityGroups(world),
            servers=MockServers(world),
            subnets=MockSubnets(world),
        )

    def close(self) -> None:
        """Close this thread's connection; a later call opens another."""
        self.world.store.close()


def _number(option: str, value: str, *, least: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not least <= number < float("inf"):
        raise ValueError(
            f"option {option!r} of mock:// must be a number from {least:g} on,"
            f" not {value!r}"
        )
    return number
