"""One cloud: its services together."""

from dataclasses import dataclass
from typing import get_args, get_type_hints

from providers.contract.calls import CallTally
from providers.contract.flavors import Flavors
from providers.contract.floating_ips import FloatingIPs
from providers.contract.images import Images
from providers.contract.keypairs import Keypairs
from providers.contract.networks import Networks
from providers.contract.ports import Ports
from providers.contract.routers import Routers
from providers.contract.security_groups import SecurityGroups
from providers.contract.servers import Servers
from providers.contract.subnets import Subnets


@dataclass(kw_only=True, eq=False, repr=False)
class Cloud:
    """One cloud.

    Instances are shared between threads. A driver's subclass takes its options as
    keyword strings: the query of its URL in ``CLOUDS``.
    """

    #: Seconds after which any single call has ended or raised
    #: `providers.errors.Timeout`; a request sent earlier cannot arrive later.
    call_timeout: float
    tally: CallTally

    flavors: Flavors
    floating_ips: FloatingIPs
    images: Images
    keypairs: Keypairs
    networks: Networks
    ports: Ports
    routers: Routers
    security_groups: SecurityGroups
    servers: Servers
    subnets: Subnets


def call_names() -> frozenset[str]:
    """Return the name of every call to a cloud, such as ``images.delete``.

    `Servers.act` is named after its verb: ``servers.stop``.
    """
    names: set[str] = set()
    for noun, hint in get_type_hints(Cloud).items():
        for service in get_args(hint) or (hint,):
            for method in getattr(service, "__abstractmethods__", ()):
                verbs = (method,)
                if method == "act":
                    verbs = get_args(get_type_hints(service.act)["verb"])
                names |= {f"{noun}.{verb}" for verb in verbs}
    return frozenset(names)
