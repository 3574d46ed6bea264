"""Where a request came from."""

import ipaddress
import logging
import re
from functools import lru_cache

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.settings import api_settings

log = logging.getLogger(__name__)

#: As proxies write it: an address, perhaps with a port, in brackets if it is IPv6.
_WRITTEN = re.compile(
    r'"?(?:\[(?P<v6>[^\]]+)\]|(?P<v4>[0-9.]+)|(?P<bare>[0-9a-fA-F:.]+(?:%[\w.%-]+)?))(?::[0-9]+)?"?'
)
#: Longer than any of them.
_LONGEST = 80


def client_address(request: HttpRequest | Request) -> str | None:
    """Return the client's address, or ``None`` where there is none (a Unix socket).

    Behind proxies it is the one that the outermost of NUM_PROXIES has seen; what stands
    left of it in X-Forwarded-For the client may have made up.
    """
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    proxies: int = api_settings.NUM_PROXIES or 0
    forwarded: str = request.META.get("HTTP_X_FORWARDED_FOR", "")
    if not proxies or not forwarded:
        return peer
    entry = forwarded.rsplit(",", proxies)[-proxies:][0].strip()
    client = _address(entry)
    if client is None:
        _say_unreadable(peer)
    return client or peer


@lru_cache(maxsize=1024)
def network_of(address: str | None) -> str:
    """Return what counts as one client: an address, or a home's whole IPv6 network."""
    if address is None:
        return "unknown"
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


@lru_cache(maxsize=1024)
def _address(text: str) -> str | None:
    match = _WRITTEN.fullmatch(text[:_LONGEST])
    if match is None or len(text) > _LONGEST:
        return None
    try:
        # Without its zone, which means something on the proxy alone.
        words = match["v6"] or match["v4"] or match["bare"]
        parsed = ipaddress.ip_address(words.partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)
    return str(mapped or parsed)


@lru_cache(maxsize=64)
def _say_unreadable(proxy: str | None) -> None:
    """Say once for each proxy that what it writes cannot be read: the cache sees to it."""
    log.warning(
        "X-Forwarded-For from %s contains something that is not an address: "
        "such clients count as that proxy. This is logged once per proxy.",
        proxy,
    )
