"""Who is at the other end of a connection on this machine, according to the kernel."""

import ipaddress
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"

#: Address and port of one end.
End = tuple[str, int]


def is_own_process(peer: End, here: End) -> bool | None:
    """Whether the peer of a connection is a process of this user, or of root.

    ``None`` where the kernel does not tell: anywhere but on Linux. A socket that its
    process has closed is nobody's.
    """
    knows = False
    for local, remote, state, uid, inode in _connections():
        if (local, remote) == (here, peer):
            knows = True
        if (local, remote) == (peer, here):
            is_open = state == _ESTABLISHED and inode != 0
            return is_open and uid in (os.geteuid(), 0)
    return False if knows else None


def _connections() -> Iterator[tuple[End, End, str, int, int]]:
    for table in _TABLES:
        try:
            rows = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            _, local, remote, state, _, _, _, uid, _, inode, *_ = row.split()
            yield _end(local), _end(remote), state, int(uid), int(inode)


def _end(text: str) -> End:
    """Read an address as the kernel prints it: words in the machine's byte order."""
    digits, port = text.split(":")
    words = [bytes.fromhex(digits[i : i + 8]) for i in range(0, len(digits), 8)]
    if sys.byteorder == "little":
        words = [word[::-1] for word in words]
    address = ipaddress.ip_address(b"".join(words))
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), int(port, 16)
