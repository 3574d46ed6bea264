"""Servers, and what can be done to them."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from providers.contract.calls import Receipt


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
    #: The keypair it was created with, which may be gone by now.
    key_name: str | None = None
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
    #: Only `Servers.get_action` knows; another step of the action may still follow.
    finished: bool = False
    #: Why it failed, or ``None``. A failed reboot whose guest runs has none.
    error: str | None = None


@dataclass(frozen=True, slots=True)
class RemoteConsole:
    """A way to the screen and the keyboard of a server, for a short time."""

    #: Nova's word: ``novnc``, ``spice-html5``, ``serial``, …
    type: str
    #: Who has it is let in.
    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerSpec:
    """What a new server shall be."""

    name: str
    flavor_id: str
    image_id: str
    #: Given in the create call itself, so that a server whose response was lost
    #: can be found again: Nova has no client token.
    tag: str
    #: Ports that nothing uses, in the order of its network cards; empty: one on the
    #: default network, which the cloud makes and removes with the server.
    port_ids: Sequence[str] = ()
    #: The keypair whose public key cloud-init shall let in.
    key_name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)
    #: For cloud-init, byte for byte; the driver encodes it.
    user_data: bytes = field(default=b"", repr=False)


#: What can be done to a server without saying more, and where that leads.
ServerVerb = Literal[
    # Power on a SHUTOFF server.
    "start",
    # Power off an ACTIVE or ERROR server.
    "stop",
    # Freeze an ACTIVE server in memory.
    "pause",
    # Continue a PAUSED server.
    "unpause",
    # Save an ACTIVE server's memory to disk and turn it off.
    "suspend",
    # Continue a SUSPENDED server.
    "resume",
    # Keep a server as an image only; it ends SHELVED_OFFLOADED.
    "shelve",
    # Bring a shelved server back; it ends ACTIVE.
    "unshelve",
    # Boot an ACTIVE, SHUTOFF or ERROR server from a rescue image.
    "rescue",
    # End the rescue; the server ends ACTIVE.
    "unrescue",
    # Keep the new size of a VERIFY_RESIZE server. It ends ACTIVE, or SHUTOFF when it was
    # off; meanwhile it stays VERIFY_RESIZE without a task state.
    "confirm_resize",
]


class Servers(ABC):
    """The servers of our project.

    Nova accepts a change and does the work later: a return says "accepted", the end is
    seen in a listing or in the server's actions. Each change raises
    `providers.errors.NotFound` for an unknown server and `providers.errors.Conflict`
    where Nova's guards refuse.
    """

    # Reading

    @abstractmethod
    def list_all(self, *, changes_since: datetime | None = None) -> list[Server]:
        """Return every server, the newest first.

        With ``changes_since`` only those updated at or after it (whole seconds, as
        Nova compares), and then also those deleted since, as status DELETED.
        """

    @abstractmethod
    def get(self, server_id: str) -> Server:
        """Return one server.

        Raises `providers.errors.NotFound` when it is gone. While a delete runs, and
        for a moment after, Nova may still answer, with status DELETED.
        """

    @abstractmethod
    def find(self, *, tag: str) -> list[Server]:
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

        ``timeout`` is shorter than `Cloud.call_timeout` where somebody waits for the
        answer. Raises `providers.errors.Conflict` for a server without a host (shelved,
        or never scheduled).
        """

    @abstractmethod
    def open_remote_console(
        self, server_id: str, *, timeout: float | None = None
    ) -> RemoteConsole | None:
        """Return a remote console, or ``None`` where the cloud offers none.

        ``timeout`` is as that of `get_console_log`, for all that is asked. Raises
        `providers.errors.Conflict` for a server without a host.
        """

    # Changing

    @abstractmethod
    def create(self, spec: ServerSpec, *, request_id: str) -> Receipt:
        """Create a server; ``created_id`` is its id.

        ``port_ids`` stay when the server goes, or could not be built. The public key of
        ``key_name`` is copied: from then on the server needs no keypair. Raises
        `providers.errors.InvalidRequest` for an unknown flavor, image, port or keypair,
        and for a port without an address, `providers.errors.Conflict` for a port that
        is used, `providers.errors.QuotaExceeded` when the cloud's quota is full. An
        impossible placement is no error here: the server ends in ERROR with a fault.
        """

    @abstractmethod
    def delete(self, server_id: str, *, request_id: str) -> Receipt:
        """Delete a server; repeating it while it is being deleted succeeds."""

    @abstractmethod
    def act(self, server_id: str, verb: ServerVerb, *, request_id: str) -> Receipt:
        """Do to a server what `ServerVerb` says of ``verb``."""

    @abstractmethod
    def reboot(self, server_id: str, *, hard: bool, request_id: str) -> Receipt:
        """Reboot a server: soft from ACTIVE only, hard from nearly anywhere."""

    @abstractmethod
    def resize(self, server_id: str, *, flavor_id: str, request_id: str) -> Receipt:
        """Resize an ACTIVE or SHUTOFF server; it then waits in VERIFY_RESIZE.

        Raises `providers.errors.InvalidRequest` for the flavor it already has.
        """

    @abstractmethod
    def rebuild(self, server_id: str, *, image_id: str, request_id: str) -> Receipt:
        """Replace the disk of a server by an image; a server that was off stays off."""

    @abstractmethod
    def snapshot(
        self, server_id: str, *, name: str, tag: str, request_id: str
    ) -> Receipt:
        """Make an image of a server; ``created_id`` is its id.

        The image is queued, then saving, then active. If it fails the cloud removes
        it again: it vanishes.
        """

    @abstractmethod
    def attach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        """Give an ACTIVE, SHUTOFF or PAUSED server a port that nothing uses.

        The cloud does it before it answers, but may do it although the call failed, and
        `Port.device_id` shows it before it has ended: the end is the answer, or that of
        the action attach_interface. Raises `providers.errors.NotFound` for an unknown
        server or port, `providers.errors.Conflict` for a port that is used too,
        `providers.errors.InvalidRequest` for one without an address, and
        `providers.errors.Unavailable` when the host fails at it.
        """

    @abstractmethod
    def detach_port(self, server_id: str, port_id: str, *, request_id: str) -> Receipt:
        """Take a port from an ACTIVE, SHUTOFF or PAUSED server; the port stays.

        Accepted for any port: whether it was done `Port.device_id` tells, and if not
        the action detach_interface has an error. A port that the cloud made with the
        server goes.
        """
