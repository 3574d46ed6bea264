"""A believable Nova in one SQLite file, for development, tests and demos."""

from providers.mock.controls import SeedServer
from providers.mock.provider import MockProvider

__all__ = ["MockProvider", "SeedServer"]
