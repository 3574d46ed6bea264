"""A believable Nova and Neutron in one SQLite file, for development, tests and demos."""

from providers.mock.cloud import MockCloud
from providers.mock.world.controls import SeedServer

__all__ = ["MockCloud", "SeedServer"]
