"""Where a request came from."""

import ipaddress

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle


def client_address(request: HttpRequest | Request) -> str | None:
    """Return the client's address, or ``None`` where there is none (a Unix socket).

    Behind proxies it is the one that the outermost of NUM_PROXIES has seen; what stands
    left of it in X-Forwarded-For the client may have made up.
    """
    text = BaseThrottle().get_ident(request)  # type: ignore[arg-type]  # takes either
    for candidate in (text, request.META.get("REMOTE_ADDR", "")):
        try:
            return str(ipaddress.ip_address(candidate.strip()))
        except ValueError:
            continue
    return None


def network_of(address: str | None) -> str:
    """Return what counts as one client: an address, or a home's whole IPv6 network."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
