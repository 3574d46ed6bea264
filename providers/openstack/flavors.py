"""The flavors of Nova."""

from providers.contract.flavors import Flavor, Flavors
from providers.openstack.wire.answers import Json, reading
from providers.openstack.wire.transport import Transport


class OpenStackFlavors(Flavors):
    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list_all(self) -> list[Flavor]:
        with reading("nova"):
            found = self._transport.read_all("nova", "/flavors/detail", "flavors")
            return [_to_flavor(body) for body in found]


def _to_flavor(body: Json) -> Flavor:
    return Flavor(
        id=body["id"],
        name=body["name"],
        vcpus=body["vcpus"],
        ram_mb=body["ram"],
        disk_gb=body["disk"],
    )
