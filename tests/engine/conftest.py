"""What the tests of the engine share with those of the services: time that they move."""

from tests.services.conftest import clock, play

__all__ = ["clock", "play"]
