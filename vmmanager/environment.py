"""Read the environment; an error is one line that names the variable."""

import math
from collections.abc import Collection, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured
from kombu.transport import TRANSPORT_ALIASES
from limits import parse_many

_FALSE_STRINGS = ("false", "off", "n", "no", "0", "")
_WORDS: Mapping[Any, str] = {
    bool: "true or false",
    float: "a number above 0",
    int: "a whole number, 0 or more",
}


class Environment(environ.Env):  # type: ignore[misc]  # environ is not typed
    """`environ.Env` for values that somebody may get wrong.

    A ``$`` in front is part of the value, and does not name another variable: Django's
    own keys may begin with one. Raises ImproperlyConfigured.
    """

    def get_value(
        self,
        var: str,
        cast: Any = None,
        default: Any = None,
        parse_default: bool = False,
    ) -> Any:
        """Return a variable as ``cast``, or its default if it is not set."""
        text = self.ENVIRON.get(var, default if parse_default else None)
        if text is None:
            return default
        try:
            value = self.parse_value(text, cast)
        except ValueError:
            value = None
        if value is None or not _makes_sense(text, value, cast):
            raise ImproperlyConfigured(f"{var}: {text!r} is not {_WORDS[cast]}")
        return value

    def db_url(self, var: str, default: str) -> dict[str, Any]:
        """Return the database that a URL names."""
        self._require_scheme(var, default, self.DB_SCHEMES, "postgres://…")
        try:
            return dict(super().db_url(var, default=default))
        except ValueError:
            # Its words may be a part of the password.
            raise ImproperlyConfigured(
                f"{var} cannot be read: is every special character written as %xx?"
            ) from None

    def cache_url(self, var: str, default: str) -> dict[str, Any]:
        """Return the cache that a URL names."""
        self._require_scheme(var, default, self.CACHE_SCHEMES, "redis://…")
        return dict(super().cache_url(var, default=default))

    def broker_url(self, var: str) -> str:
        """Return the URL of a message broker, or nothing."""
        url: str = self.str(var, default="")
        if url:
            self._require_scheme(var, "", TRANSPORT_ALIASES, "redis://… or amqp://…")
        return url

    def _require_scheme(
        self, var: str, default: str, known: Collection[str], example: str
    ) -> None:
        # Told without the URL: there may be a password in it.
        scheme, separator, _ = self.str(var, default=default).partition("://")
        if not separator or scheme not in known:
            raise ImproperlyConfigured(f"{var} is no URL such as {example}")

    def numbers(self, var: str, default: Mapping[str, int]) -> dict[str, int]:
        """Return what is written ``name=number,name=number``; empty is none at all."""
        found: dict[str, int] = {}
        text = self.str(var, default=None)
        if text is None:
            return dict(default)
        for pair in filter(None, text.split(",")):
            name, _, number = (part.strip() for part in pair.partition("="))
            if not number.isdecimal():
                raise ImproperlyConfigured(f"{var}: {pair!r} is not name=number")
            found[name] = int(number)
        return found

    def networks(self, var: str, default: str) -> list[IPv4Network | IPv6Network]:
        """Return the networks that a list of CIDRs names."""
        found = []
        for text in filter(None, map(str.strip, self.str(var, default).split(","))):
            try:
                found.append(ip_network(text))
            except ValueError:
                raise ImproperlyConfigured(
                    f"{var}: {text!r} is not a network such as 10.1.0.0/16"
                ) from None
        return found

    def rate(self, var: str, default: str) -> str:
        """Return a number of requests per time, as `limits` reads it."""
        text: str = self.str(var, default=default)
        try:
            (rate,) = parse_many(text)
        except ValueError:
            rate = None
        if rate is None or not rate.amount:
            raise ImproperlyConfigured(
                f"{var}: {text!r} is not a rate such as '120/60 second'"
            )
        return text


def _makes_sense(text: str, value: Any, cast: Any) -> bool:
    if cast is bool:
        return bool(value) or text.strip().lower() in _FALSE_STRINGS
    if cast is int:
        return bool(value >= 0)
    if cast is float:
        return math.isfinite(value) and value > 0
    return True
