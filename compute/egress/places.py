"""Which addresses are called."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from typing import Any

from django.conf import settings

from compute.egress.errors import Refused, Unreachable
from compute.egress.urls import Target

Address = IPv4Address | IPv6Address
#: Takes a host, a port and seconds; returns its addresses. Raises Unreachable.
Resolve = Callable[[str, int, float], Sequence[str]]

#: Seconds.
DNS_DEADLINE = 5.0
#: Names that may be waited for at once: what resolves them cannot be interrupted.
MAX_LOOKUPS = 16

#: Where clouds tell a machine its secrets, beside 169.254.169.254, which is link-local.
METADATA = frozenset(
    map(ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192"))
)
#: For this network alone, for protocols or documents, or without any use: not all of
#: them are known to every version of Python.
_NEVER = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "192.0.0.0/24", "192.88.99.0/24"),
            *("64:ff9b:1::/48", "3fff::/20", "5f00::/16"),
        ),
    )
)
#: NAT64: the last 32 bits are an IPv4 address. In the prefix for local use, 64:ff9b:1::/48,
#: it may be elsewhere.
_NAT64 = IPv6Network("64:ff9b::/96")
_COMPATIBLE = IPv6Network("::/96")
#: In the middle of an interface's id: the IPv4 address that follows is its peer (ISATAP).
_ISATAP = (0x00005EFE, 0x02005EFE)


def is_permitted(address: Address) -> bool:
    """Whether an address may be connected to.

    It is public, or in WEBHOOK_ALLOWED_NETWORKS. One that carries an IPv4 address is
    judged by that.
    """
    inner = [*_embedded(address)]
    if inner:
        return all(map(is_permitted, inner))
    if address.is_loopback:
        return settings.WEBHOOK_ALLOW_LOOPBACK and _is_allowed(address)
    if _is_never(address):
        return False
    return address.is_global or _is_allowed(address)


def _is_never(address: Address) -> bool:
    return (
        address.is_link_local
        or address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or any(address in network for network in _NEVER)
        or address in METADATA
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )


def _is_allowed(address: Address) -> bool:
    return any(address in network for network in settings.WEBHOOK_ALLOWED_NETWORKS)


def _embedded(address: Address) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses to which an IPv6 address leads."""
    if not isinstance(address, IPv6Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    number = int(address)
    is_compatible = address in _COMPATIBLE and number > 0xFFFF  # not :: and ::1
    is_isatap = (number >> 32) & 0xFFFFFFFF in _ISATAP
    if is_compatible or is_isatap or address in _NAT64:
        yield IPv4Address(number & 0xFFFFFFFF)


def resolve(host: str, port: int, seconds: float) -> Sequence[str]:
    """Return the addresses of a host, by the resolver of this machine."""
    give_up = time.monotonic() + seconds
    if not _lookups.acquire(timeout=seconds):
        raise Unreachable("Too many names are being looked up.")
    answers: SimpleQueue[Any] = SimpleQueue()

    def look_up() -> None:
        try:
            answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.put(error)
        finally:
            _lookups.release()

    # The system's call cannot be interrupted, so it has a thread of its own.
    threading.Thread(target=look_up, name="lookup", daemon=True).start()
    try:
        found = answers.get(timeout=max(0.0, give_up - time.monotonic()))
    except Empty:
        raise Unreachable(f"{host} was not resolved within {seconds:.0f} s.") from None
    if isinstance(found, Exception):
        raise Unreachable(f"{host} cannot be resolved.")
    return [place[0] for *_, place in found]


_lookups = threading.BoundedSemaphore(MAX_LOOKUPS)


def permitted_addresses(
    target: Target, *, seconds: float = DNS_DEADLINE, resolve: Resolve = resolve
) -> list[str]:
    """Return where a target is, each address once, if every one is permitted.

    Raises Refused, or Unreachable if the name has no address.
    """
    found = list(dict.fromkeys(resolve(target.host, target.port, seconds)))
    if not found:
        raise Unreachable(f"{target.host} has no address.")
    for text in found:
        # A zone, which comes with link-local addresses, is none of the address.
        if not is_permitted(ip_address(text.partition("%")[0])):
            raise Refused(f"{target.host} has an address that is not public.")
    return found
