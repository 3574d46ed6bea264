"""Which URLs are called, by how they are written."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

from django.conf import settings

from compute.egress.errors import Refused
from compute.limits import MAX_URL

#: What listens there speaks something else (the Fetch standard's "bad ports" from 1024
#: on, and databases and brokers).
OTHER_PORTS = frozenset(
    {
        *(1433, 1521, 1719, 1720, 1723, 2049, 2375, 2379, 2380, 3306, 3389, 3659),
        *(4045, 4190, 5060, 5061, 5432, 5672, 5900, 6000, 6379, 6566, 6665, 6666),
        *(6667, 6668, 6669, 6679, 6697, 9042, 10080, 11211, 27017),
    }
)
_HOST = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*"
)
#: What some resolvers take for an IPv4 address: 127.1, 0x7f000001, 2130706433, 0177.0.0.1.
_NUMERIC = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart."""

    scheme: str
    #: Lower case; an IPv6 address without brackets.
    host: str
    port: int
    #: With the query.
    path: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """Take a URL apart; raise Refused, with the reason, for one that is not called."""
    if len(url) > MAX_URL:
        raise Refused(f"Must have at most {MAX_URL} characters.")
    if re.search(r"[\s\x00-\x1f\x7f\\]", url):
        raise Refused("Must not contain spaces, control characters or backslashes.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refused("Is not a URL.") from error
    _require_scheme(parts.scheme, parts.netloc)
    if "@" in parts.netloc:
        raise Refused("Must not contain a user name or a password.")
    if "#" in url:
        raise Refused("Must not have a fragment (#).")
    path = parts.path or "/"
    target = path if not parts.query else f"{path}?{parts.query}"
    if not target.isascii():
        raise Refused("Path and query must be percent-encoded.")
    if port is None:
        port = 443 if parts.scheme == "https" else 80
    _require_port(parts.scheme, port)
    return Target(parts.scheme, _host(parts.hostname or ""), port, target)


def _require_scheme(scheme: str, netloc: str) -> None:
    if scheme == "http" and not settings.WEBHOOK_ALLOW_HTTP:
        raise Refused("Must begin with https://.")
    if scheme not in ("http", "https") or not netloc:
        raise Refused("Must be a URL such as https://hooks.example.com/vms.")


def _require_port(scheme: str, port: int) -> None:
    usual = {"https": 443, "http": 80}[scheme]
    if port != usual and (port < 1024 or port in OTHER_PORTS):
        raise Refused(
            f"Port {port} is not allowed; use {usual}, or one above 1023 that is not "
            "known for another protocol."
        )


def _host(host: str) -> str:
    """Return a host as it is looked up: in ASCII, in lower case."""
    if "%" in host:
        raise Refused("The host must not contain a percent sign.")
    if ":" in host:
        try:
            return str(IPv6Address(host))
        except ValueError as error:
            raise Refused("The host is not an address.") from error
    if not host.isascii():
        host = _in_ascii(host)
    host = host.lower().removesuffix(".")
    if _NUMERIC.fullmatch(host):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise Refused("Write the address as four decimal numbers.") from error
    if not _HOST.fullmatch(host):
        raise Refused("The host is not a name.")
    return host


def _in_ascii(host: str) -> str:
    try:
        text = host.encode("idna").decode()
        # The codec knows an older standard, which folds some letters (ß, ς) that the
        # present one keeps: such a name would be another one.
        if text.encode().decode("idna") == host.lower():
            return text
    except UnicodeError:
        pass
    raise Refused("Write the host in ASCII (xn--…).")
