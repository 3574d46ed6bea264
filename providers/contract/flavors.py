"""Flavors: the sizes of servers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size a cloud offers."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


class Flavors(ABC):
    """The flavors of a cloud."""

    @abstractmethod
    def list_all(self) -> list[Flavor]:
        """Return every flavor our user may boot."""
