"""Follow a listing: first what others refer to, then these, then what is left over."""

from compute.models import Occupation
from compute.services import leftovers
from compute.services.network_pass.changes import Pass
from compute.services.network_pass.leftovers import of_networks
from compute.services.network_pass.listing import Listing
from compute.services.network_pass.places import follow_floating_ips, follow_ports
from compute.services.network_pass.things import (
    follow_groups,
    follow_networks,
    follow_routers,
    follow_subnets,
)


def follow(alias: str, listing: Listing) -> None:
    """Take over what a listing shows of things that no operation occupies."""
    occupied = Occupation.objects.filter(operation__cloud=alias)
    here = Pass(
        alias, listing.started, frozenset(occupied.values_list("target_id", flat=True))
    )
    follow_networks(here, listing.networks.values())
    follow_subnets(here, listing.subnets.values())
    follow_routers(here, listing.routers.values(), listing.ports.values())
    follow_groups(here, listing.groups.values())
    follow_ports(here, listing.ports.values())
    follow_floating_ips(here, listing.floating_ips.values())
    leftovers.remove(alias, of_networks(alias, listing))
