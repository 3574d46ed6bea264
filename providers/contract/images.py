"""Images: what servers boot from, and the snapshots of them."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from providers.contract.calls import Receipt


@dataclass(frozen=True, slots=True)
class Image:
    """A disk image; a snapshot of a server is one with ``server_id``."""

    id: str
    name: str
    #: Glance's word: queued, saving, active, killed, deactivated.
    status: str
    visibility: str
    #: ``None`` until the data has arrived.
    size_bytes: int | None = None
    min_disk_gb: int = 0
    min_ram_mb: int = 0
    #: The server this image is a snapshot of.
    server_id: str | None = None
    #: The ``tag`` given to `Servers.snapshot`.
    tag: str | None = None


class Images(ABC):
    """The images of a cloud. `Servers.snapshot` makes new ones."""

    @abstractmethod
    def list_all(self) -> list[Image]:
        """Return every image our user may boot, snapshots included."""

    @abstractmethod
    def list_snapshots(self, *, tag: str | None = None) -> list[Image]:
        """Return the images made by `Servers.snapshot`, unfinished ones included.

        ``tag`` narrows to those made with it.
        """

    @abstractmethod
    def delete(self, image_id: str, *, request_id: str) -> Receipt:
        """Delete an image of ours.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while something uses it.
        """
