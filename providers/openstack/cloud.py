"""A project of an OpenStack cloud: its options and its services."""

import math

from providers.contract.calls import CallTally
from providers.contract.cloud import Cloud
from providers.openstack.flavors import OpenStackFlavors
from providers.openstack.floating_ips import OpenStackFloatingIPs
from providers.openstack.images import OpenStackImages
from providers.openstack.keypairs import OpenStackKeypairs
from providers.openstack.networks import OpenStackNetworks
from providers.openstack.ports import OpenStackPorts
from providers.openstack.routers import OpenStackRouters
from providers.openstack.security_groups import OpenStackSecurityGroups
from providers.openstack.servers import OpenStackServers
from providers.openstack.subnets import OpenStackSubnets
from providers.openstack.wire.transport import Transport


class OpenStackCloud(Cloud):
    """One project of an OpenStack cloud, by its name in clouds.yaml.

    Options: ``cloud``, that name; ``network``, name or id of the network for servers
    that name none; ``timeout``, the seconds any single call may take; ``page_size`` of
    listings (0: as large as each service allows). Needs compute microversion 2.69
    (Stein) or later. Raises ValueError for a wrong option.
    """

    def __init__(
        self,
        *,
        cloud: str,
        network: str = "",
        timeout: str = "60",
        page_size: str = "0",
        **unknown: str,
    ) -> None:
        if unknown:
            raise ValueError(
                f"no such option of openstack://: {', '.join(map(repr, unknown))}"
            )
        call_timeout = _positive("timeout", timeout)
        tally = CallTally()
        transport = Transport(
            cloud,
            timeout=call_timeout,
            page_size=int(_positive("page_size", page_size)) if page_size != "0" else 0,
            count_request=tally.count,
        )
        networks = OpenStackNetworks(transport, network)
        super().__init__(
            call_timeout=call_timeout,
            tally=tally,
            flavors=OpenStackFlavors(transport),
            floating_ips=OpenStackFloatingIPs(transport),
            images=OpenStackImages(transport),
            keypairs=OpenStackKeypairs(transport),
            networks=networks,
            ports=OpenStackPorts(transport),
            routers=OpenStackRouters(transport),
            security_groups=OpenStackSecurityGroups(transport),
            servers=OpenStackServers(transport, networks),
            subnets=OpenStackSubnets(transport),
        )


def _positive(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(
            f"option {name!r} of openstack:// must be above 0, not {text!r}"
        )
    return number
