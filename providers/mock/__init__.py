"""A believable Nova in one SQLite file, for development, tests and demos."""

from providers.mock.provider import MockProvider
from providers.mock.world.controls import SeedServer

__all__ = ["MockProvider", "SeedServer"]
