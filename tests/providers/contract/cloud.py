"""The tests of `providers.contract` that every driver passes.

A driver's test module subclasses `CloudContract` and gives the fixtures that
``tests/providers/conftest.py`` names. Nothing here knows how the cloud is made. Where a
driver can be given a small page size, run it so too: the suite makes a few servers only.
"""

from tests.providers.contract.flavors import FlavorContract
from tests.providers.contract.floating_ips import FloatingIPContract
from tests.providers.contract.images import ImageContract
from tests.providers.contract.interfaces import InterfaceContract
from tests.providers.contract.keypairs import KeypairContract
from tests.providers.contract.networks import NetworkContract
from tests.providers.contract.ports import PortContract
from tests.providers.contract.routers import RouterContract
from tests.providers.contract.security_groups import SecurityGroupContract
from tests.providers.contract.server_changes import (
    RebuildContract,
    ResizeContract,
    VerbContract,
)
from tests.providers.contract.servers import (
    CreateContract,
    DeleteContract,
    ReadingContract,
)
from tests.providers.contract.subnets import SubnetContract


class CloudContract(
    FlavorContract,
    ImageContract,
    KeypairContract,
    CreateContract,
    ReadingContract,
    VerbContract,
    ResizeContract,
    RebuildContract,
    DeleteContract,
    NetworkContract,
    SubnetContract,
    RouterContract,
    PortContract,
    FloatingIPContract,
    SecurityGroupContract,
    InterfaceContract,
):
    """All of it."""
