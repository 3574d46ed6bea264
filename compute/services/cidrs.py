"""Ranges of addresses, and the rules for them that no cloud needs to be asked for."""

import ipaddress
from collections.abc import Sequence

from compute.services.resources.requests import invalid

Range = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: The largest and the smallest subnet, by length of the prefix.
_LENGTHS = {4: (8, 29), 6: (32, 124)}
#: What no network of a project can have: RFC 6890.
_RESERVED = tuple(
    map(
        ipaddress.ip_network,
        (
            *("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"),
            *("::/8", "fe80::/10", "ff00::/8"),
        ),
    )
)


def subnet_cidr(text: str, *, pointer: str) -> Range:
    """Return the range of a new subnet, or raise ValidationError for ``pointer``."""
    cidr = any_cidr(text, pointer=pointer)
    largest, smallest = _LENGTHS[cidr.version]
    if not largest <= cidr.prefixlen <= smallest:
        raise invalid(
            pointer,
            "invalid",
            f"A subnet of IPv{cidr.version} has a prefix of {largest} to {smallest} bits.",
        )
    if any(
        cidr.version == range.version and cidr.overlaps(range) for range in _RESERVED
    ):
        raise invalid(pointer, "reserved", f"{cidr} has addresses that are reserved.")
    return cidr


def any_cidr(text: str, *, pointer: str) -> Range:
    """Return a range as RFC 4632 writes it, or raise ValidationError."""
    detail = "Must be a range such as 10.1.0.0/24 or fd00:1::/64."
    # Not a netmask, and not a zone.
    prefix = text.rpartition("/")[2] if "/" in text else ""
    if not (prefix.isascii() and prefix.isdigit()) or "%" in text:
        raise invalid(pointer, "invalid", detail)
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise invalid(pointer, "invalid", detail) from None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        detail = f"Has bits set beyond its prefix; {meant} is the range."
        raise invalid(pointer, "host_bits", detail) from None


def address(text: str, *, pointer: str) -> Address:
    """Return an address, or raise ValidationError."""
    try:
        if "%" in text:
            raise ValueError("a zone")
        return ipaddress.ip_address(text)
    except ValueError:
        raise invalid(
            pointer, "invalid", "Must be an address such as 10.1.0.12."
        ) from None


def inside(text: str, cidr: Range, *, pointer: str) -> Address:
    """Return an address that a host of a range can have, or raise ValidationError."""
    found = address(text, pointer=pointer)
    if found.version != cidr.version or found not in cidr:
        raise invalid(pointer, "outside", f"{text} is not in {cidr}.")
    is_edge = found in (cidr.network_address, cidr.broadcast_address)
    if cidr.version == 4 and is_edge:
        raise invalid(pointer, "reserved", f"{text} is no address of a host in {cidr}.")
    return found


def find_overlap(cidr: Range, others: Sequence[str]) -> str | None:
    """Return the range that overlaps with another, if one does."""
    for other in others:
        range = ipaddress.ip_network(other)
        if range.version == cidr.version and range.overlaps(cidr):
            return other
    return None
