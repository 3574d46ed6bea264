"""What every driver owes of flavors."""

from providers.contract.cloud import Cloud
from tests.support.contract_cloud import (
    SMALL,
)


class FlavorContract:
    def test_the_flavors_have_sizes(self, cloud: Cloud) -> None:
        flavors = {flavor.name: flavor for flavor in cloud.flavors.list_all()}
        assert {SMALL, "m1.small", "m1.medium", "m1.large", "m1.xlarge"} <= set(flavors)
        assert len({flavor.id for flavor in flavors.values()}) == len(flavors)
        small = flavors["m1.small"]
        assert (small.vcpus, small.ram_mb, small.disk_gb) == (1, 2048, 20)
