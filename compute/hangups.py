"""Which clients have hung up: an ASGI server says so, under WSGI Linux does.

WSGI tells neither by which connection a request came nor that it was closed. The kernel
does: a request waits for its answer on a connection that has received something and sent
nothing since. Each wait is given one that has its address and came right before it, and
keeps it; a wait for which there is none has lost its client. Of two that come within the
same moment from the same address one may be given the other's: at worst it is answered
202 before its time, which is still true.
"""

import ipaddress
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar, cast

#: The key in the extensions of an ASGI scope of what drops a connection at once, with
#: all that its client has not read.
ABORT = "vmmanager.abort"
#: And of what writes bytes to it at once, and says whether it has; not to a client that
#: has yet to read what it was sent.
WRITE = "vmmanager.write"

#: In seconds: more than the kernel's clock, which ticks, may be behind ours.
TICK = 0.02
_TCP = socket.IPPROTO_TCP
_ESTABLISHED = 1
#: Of struct tcp_info: the state, how long ago data was sent and received (ms), and how
#: much was received at all.
_TCP_INFO = struct.Struct("=B43xI4xI72xQ")


class Bell:
    """Has who waits look again, or ends their wait."""

    __slots__ = ("_silent", "is_over", "on_ring")

    def __init__(self) -> None:
        #: Held until it rings. An Event is fifty times as large, and thousands may wait.
        self._silent = threading.Lock()
        self._silent.acquire()
        self.is_over = False
        #: Called too: by who waits without a thread.
        self.on_ring: Callable[[], object] | None = None

    def ring(self, *_: object) -> None:
        """Have it look again."""
        with suppress(RuntimeError):  # it has rung already
            self._silent.release()
        if (on_ring := self.on_ring) is not None:
            on_ring()

    def end(self) -> None:
        """End the wait, and every later one."""
        self.is_over = True
        self.ring()

    def wait(self, seconds: float) -> bool:
        """Block until it rings, at most so long; say whether to go on."""
        # Silent again before the look: what rings from here on is another reason for one.
        self._silent.acquire(timeout=seconds)
        return not self.is_over


@dataclass(frozen=True, slots=True)
class Connection:
    """One of ours, named by both its ends."""

    address: str
    client_port: int
    port: int


#: Connections with an unanswered request, and when that came (time.monotonic).
Unanswered = dict[Connection, float]


@dataclass(eq=False, slots=True, kw_only=True)
class Caller:
    """Who sent a request by HTTP/1, and by which connection as far as we know."""

    arrived: float
    address: str
    port: int
    connection: Connection | None = None
    #: When the request came there.
    received_at: float = 0.0

    def is_on(self, unanswered: Unanswered) -> bool:
        """Whether the request still waits where it was last seen."""
        if self.connection not in unanswered:
            return False
        return unanswered[self.connection] <= self.received_at + TICK

    def look(self, unanswered: Unanswered) -> bool:
        """Take the connection by which the request most likely came, if any is left."""
        apart = {
            connection: abs(self.arrived - received_at)
            for connection, received_at in unanswered.items()
            if connection.port == self.port
            and connection.address == plain(self.address)
            and received_at <= self.arrived + TICK
        }
        self.connection = min(apart, key=apart.__getitem__, default=None)
        if self.connection is None:
            return False
        self.received_at = unanswered.pop(self.connection)
        return True


C = TypeVar("C", bound=Caller)


def departed(callers: Iterable[C]) -> list[C]:
    """Return those that have hung up, as far as that can be known."""
    ports, unanswered = _sockets()
    # Of others nothing is known: no socket of this process serves them.
    known = [caller for caller in callers if caller.port in ports]
    seen = [caller for caller in known if caller.is_on(unanswered)]
    for caller in seen:
        unanswered.pop(cast(Connection, caller.connection), None)
    unsure = sorted(set(known).difference(seen), key=attrgetter("arrived"))
    return [caller for caller in unsure if not caller.look(unanswered)]


def plain(address: str) -> str:
    """Return an address in the one form in which two of them can be compared."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)


def _sockets() -> tuple[set[int], Unanswered]:
    """Return the ports we listen on, and what waits for an answer, with since when."""
    ports: set[int] = set()
    unanswered: Unanswered = {}
    for number in _descriptors():
        # A copy, as it may be closed, and its number be another's, at any moment.
        with suppress(OSError), _copy(number) as own:
            if own.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL) != _TCP:
                continue
            port = own.getsockname()[1]
            if own.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                ports.add(port)
            elif (seconds := _unanswered_for(own)) is not None:
                address, client_port = own.getpeername()[:2]
                connection = Connection(plain(address), client_port, port)
                unanswered[connection] = time.monotonic() - seconds
    return ports, unanswered


def _descriptors() -> list[int]:
    if sys.platform != "linux":
        return []
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # of too many open files, too
        return []


@contextmanager
def _copy(number: int) -> Iterator[socket.socket]:
    copy = os.dup(number)
    try:
        own = socket.socket(fileno=copy)
    except OSError:  # a file
        os.close(copy)
        raise
    with own:
        yield own


def _unanswered_for(own: socket.socket) -> float | None:
    """Return the seconds since a request came that has had no answer, if one has not."""
    info = own.getsockopt(_TCP, socket.TCP_INFO, _TCP_INFO.size)
    state, sent, received, amount = _TCP_INFO.unpack(info)
    waits = state == _ESTABLISHED and amount and received <= sent
    return received / 1000 if waits else None
