"""Read the CLOUDS variable: which clouds there are, in one line, as DATABASE_URL does.

    CLOUDS=lab=mock://?delay=0,prod=openstack://mycloud?network=private

A comma inside an option is written %2C.
"""

import re
from pathlib import Path
from typing import TypedDict
from urllib.parse import SplitResult, parse_qsl, urlsplit

from django.core.exceptions import ImproperlyConfigured

MOCK = "providers.mock.MockCloud"
OPENSTACK = "providers.openstack.OpenStackCloud"


class ProviderSettings(TypedDict):
    """One entry of PROVIDERS, in the shape of an entry of DATABASES."""

    BACKEND: str
    OPTIONS: dict[str, str]


def parse_clouds(value: str, *, data_dir: Path) -> dict[str, ProviderSettings]:
    """Return alias -> provider settings, in the order written."""
    clouds: dict[str, ProviderSettings] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        alias, separator, url = entry.partition("=")
        if not separator or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", alias):
            raise ImproperlyConfigured(
                f"CLOUDS: {entry!r} is not alias=url; an alias is a lower-case word"
            )
        if alias in clouds:
            raise ImproperlyConfigured(f"CLOUDS: {alias!r} is named twice")
        clouds[alias] = _provider(alias, urlsplit(url), data_dir=data_dir)
    if not clouds:
        raise ImproperlyConfigured("CLOUDS names no cloud")
    return clouds


def _provider(alias: str, url: SplitResult, *, data_dir: Path) -> ProviderSettings:
    options = _options(alias, url.query)
    if url.path or url.fragment:
        raise ImproperlyConfigured(
            f"CLOUDS: {alias!r} has a path; options follow a '?'"
        )
    match url.scheme:
        case "mock":
            if url.netloc:
                raise ImproperlyConfigured(
                    f"CLOUDS: {alias!r}: mock:// takes no name, options follow a '?'"
                )
            path = str(data_dir / f"mock-{alias}.sqlite3")
            return {"BACKEND": MOCK, "OPTIONS": {"path": path, **options}}
        case "openstack":
            if not url.netloc:
                raise ImproperlyConfigured(
                    f"CLOUDS: {alias!r}: openstack:// needs a name of clouds.yaml"
                )
            return {"BACKEND": OPENSTACK, "OPTIONS": {"cloud": url.netloc, **options}}
    raise ImproperlyConfigured(
        f"CLOUDS: {alias!r} must start with mock:// or openstack://"
    )


def _options(alias: str, query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as exc:
        raise ImproperlyConfigured(
            f"CLOUDS: {alias!r}: {query!r} is not name=value&name=value"
        ) from exc
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ImproperlyConfigured(f"CLOUDS: {alias!r} names an option twice")
    return options
