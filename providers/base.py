"""The contract between the service and a cloud.

Every driver implements `Provider` and passes ``tests/providers/contract.py``.
Words are Nova's. Times are aware UTC datetimes. Every method may raise any
`providers.errors.ProviderError`; the docstrings name those with a meaning of their
own. A method makes its calls and returns; nothing here waits for a state.
"""

import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Flavor:
    """A size a cloud offers."""

    id: str
    name: str
    vcpus: int
    ram_mb: int
    disk_gb: int


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
    #: The ``tag`` given to `Provider.snapshot_server`.
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """One IP address of a server."""

    ip: str
    version: int
    network: str
    #: ``fixed`` or ``floating``.
    type: str = "fixed"
    mac: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """Why Nova put a server into ERROR."""

    code: int
    message: str


@dataclass(frozen=True, slots=True)
class Server:
    """A server as the cloud described it at one moment."""

    id: str
    name: str
    #: Nova's API status: ACTIVE, SHUTOFF, BUILD, VERIFY_RESIZE, DELETED, …
    status: str
    #: Nova's running task; ``None`` does not mean that every action has ended
    #: (confirmResize sets none).
    task_state: str | None
    created_at: datetime
    updated_at: datetime
    #: From microversion 2.47 Nova embeds the flavor without its id.
    flavor_name: str
    vcpus: int
    ram_mb: int
    disk_gb: int
    image_id: str | None = None
    addresses: tuple[Address, ...] = ()
    tags: frozenset[str] = frozenset()
    fault: Fault | None = None
    locked: bool = False
    #: When its guest was last launched; ``None``: never, and then Nova deletes it and
    #: refuses all else. `created_at` where a cloud does not tell.
    launched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ServerAction:
    """Nova's record of one action on a server (os-instance-actions)."""

    #: Nova's word: create, stop, reboot, resize, confirmResize, createImage, …
    action: str
    #: The request id the cloud gave the call: `Receipt.request_id`.
    request_id: str
    started_at: datetime
    #: Only `Provider.get_action` knows; another step of the action may still follow.
    finished: bool = False
    #: Why it failed, or ``None``. A failed reboot whose guest runs has none.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A server's place on a network."""

    id: str
    server_id: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """The cloud accepted a call; the work goes on behind it."""

    #: The cloud's own id of the call: the key of its `ServerAction`.
    request_id: str | None
    #: The server or image the call made.
    created_id: str | None = None


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What a new server shall be."""

    name: str
    flavor_id: str
    image_id: str
    #: Given in the create call itself, so that a server whose response was lost
    #: can be found again: Nova has no client token.
    tag: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: For cloud-init, byte for byte; the driver encodes it.
    user_data: bytes = field(default=b"", repr=False)


class CallTally:
    """How many requests were sent to a cloud; safe between threads."""

    def __init__(self) -> None:
        self._calls = 0
        self._calls_lock = threading.Lock()

    def count_call(self) -> None:
        """Count one request to the cloud; a driver calls it for each it sends."""
        with self._calls_lock:
            self._calls += 1

    def take_calls(self) -> int:
        """Return how many requests this object sent since it was last asked."""
        with self._calls_lock:
            calls, self._calls = self._calls, 0
        return calls


class Provider(CallTally, ABC):
    """One cloud.

    Instances are shared between threads. A driver takes its options as keyword
    strings: the query of its URL in ``CLOUDS``. ``request_id`` of a verb is ours
    (``req-<uuid4>``): the cloud logs it beside its own.
    """

    #: Seconds after which any single call has ended or raised
    #: `providers.errors.Timeout`; a request sent earlier cannot arrive later.
    call_timeout: float = 60.0

    # The catalogue

    @abstractmethod
    def list_flavors(self) -> list[Flavor]:
        """Return every flavor our user may boot."""

    @abstractmethod
    def list_images(self) -> list[Image]:
        """Return every image our user may boot, snapshots included."""

    @abstractmethod
    def list_snapshot_images(self, *, tag: str | None = None) -> list[Image]:
        """Return the images made by `snapshot_server`, unfinished ones included.

        ``tag`` narrows to those made with it.
        """

    # Reading servers

    @abstractmethod
    def list_servers(self, *, changes_since: datetime | None = None) -> list[Server]:
        """Return every server of our project, from every page of the listing.

        With ``changes_since`` only those updated at or after it (whole seconds, as
        Nova compares), and then also those deleted since, as status DELETED.
        Raises rather than return a part: absence from the result is a fact.
        """

    @abstractmethod
    def get_server(self, server_id: str) -> Server:
        """Return one server.

        Raises `providers.errors.NotFound` when it is gone. While a delete runs, and
        for a moment after, Nova may still answer, with status DELETED.
        """

    @abstractmethod
    def find_servers(self, *, tag: str) -> list[Server]:
        """Return the servers created with ``tag``; more than one is possible."""

    @abstractmethod
    def list_actions(self, server_id: str) -> list[ServerAction]:
        """Return the cloud's records of the actions on a server, newest first.

        Which have finished is not known here. Known for a deleted server too while
        the cloud keeps them. Raises `providers.errors.NotFound` for an unknown server.
        """

    @abstractmethod
    def get_action(self, server_id: str, request_id: str) -> ServerAction:
        """Return the cloud's record of one action, and whether it has finished.

        ``request_id`` is the cloud's own, from the receipt. Raises
        `providers.errors.NotFound` when there is no such action or server.
        """

    @abstractmethod
    def get_console_log(
        self, server_id: str, *, lines: int, timeout: float | None = None
    ) -> str:
        """Return the last ``lines`` lines of the serial console.

        ``timeout`` is shorter than `call_timeout` where somebody waits for the answer.
        Raises `providers.errors.Conflict` for a server without a host (shelved, or
        never scheduled).
        """

    # Changing servers. Nova accepts a verb and does the work later: a return says
    # "accepted", the end is seen in a listing or in `list_actions`. Each raises
    # NotFound for an unknown server and Conflict where Nova's guards refuse.

    @abstractmethod
    def create_server(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        """Create a server; ``created_id`` is its id.

        Raises `providers.errors.InvalidRequest` for an unknown flavor or image,
        `providers.errors.QuotaExceeded` when the cloud's quota is full. An
        impossible placement is no error here: the server ends in ERROR with a fault.
        """

    @abstractmethod
    def delete_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Delete a server; repeating it while it is being deleted succeeds."""

    @abstractmethod
    def start_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power on a SHUTOFF server."""

    @abstractmethod
    def stop_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Power off an ACTIVE or ERROR server."""

    @abstractmethod
    def reboot_server(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        """Reboot a server: soft from ACTIVE only, hard from nearly anywhere."""

    @abstractmethod
    def resize_server(
        self, server_id: str, *, flavor_id: str, request_id: str
    ) -> Receipt:
        """Resize an ACTIVE or SHUTOFF server; it then waits in VERIFY_RESIZE.

        Raises `providers.errors.InvalidRequest` for the flavor it already has.
        """

    @abstractmethod
    def confirm_resize(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep the new size of a VERIFY_RESIZE server.

        It ends ACTIVE, or SHUTOFF when it was off; meanwhile it stays
        VERIFY_RESIZE without a task state.
        """

    @abstractmethod
    def rebuild_server(
        self, server_id: str, *, image_id: str, request_id: str
    ) -> Receipt:
        """Replace the disk of a server by an image; a server that was off stays off."""

    @abstractmethod
    def pause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Freeze an ACTIVE server in memory."""

    @abstractmethod
    def unpause_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a PAUSED server."""

    @abstractmethod
    def suspend_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Save an ACTIVE server's memory to disk and turn it off."""

    @abstractmethod
    def resume_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Continue a SUSPENDED server."""

    @abstractmethod
    def shelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Keep a server as an image only; it ends SHELVED_OFFLOADED."""

    @abstractmethod
    def unshelve_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Bring a shelved server back; it ends ACTIVE."""

    @abstractmethod
    def rescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """Boot an ACTIVE, SHUTOFF or ERROR server from a rescue image."""

    @abstractmethod
    def unrescue_server(self, server_id: str, *, request_id: str) -> Receipt:
        """End the rescue; the server ends ACTIVE."""

    # Snapshots

    @abstractmethod
    def snapshot_server(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        """Make an image of a server; ``created_id`` is its id.

        The image is queued, then saving, then active. If it fails the cloud removes
        it again: it vanishes.
        """

    @abstractmethod
    def delete_image(self, image_id: str, *, request_id: str) -> Receipt:
        """Delete an image of ours.

        Raises `providers.errors.NotFound` when it is gone already,
        `providers.errors.Conflict` while something uses it.
        """

    # Ports

    @abstractmethod
    def list_ports(self) -> list[Port]:
        """Return the ports of our project that belong to servers, also to dead ones."""

    @abstractmethod
    def delete_port(self, port_id: str, *, request_id: str) -> Receipt:
        """Delete a port that a server left behind.

        Raises `providers.errors.NotFound` when it is gone already.
        """
