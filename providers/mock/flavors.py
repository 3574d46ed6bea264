"""The flavors of the mock cloud."""

from providers.contract.flavors import Flavor, Flavors
from providers.mock.world import catalog
from providers.mock.world.world import World


class MockFlavors(Flavors):
    def __init__(self, world: World) -> None:
        self._world = world

    def list_all(self) -> list[Flavor]:
        with self._world.call("flavors.list_all"):
            db = self._world.store.connection()
            return list(catalog.offered_flavors(db).values())
