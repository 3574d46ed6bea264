"""Conditions for what a person types into a search field."""

import ipaddress
import re
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast

NOTHING = Q(pk__in=())


def id_prefix(text: str, *, field: str = "id") -> Q:
    """Return the condition for ids that begin so: a range, which an index knows."""
    digits = text.lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return NOTHING
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return Q(**{f"{field}__gte": first, f"{field}__lte": last})


def from_address(text: str) -> Q:
    """Return the condition for rows of requests that came from an address."""
    try:
        return Q(address=str(ipaddress.ip_address(text)))
    except ValueError:
        return NOTHING


def has_address(queryset: QuerySet[Any], text: str) -> tuple[QuerySet[Any], Q]:
    """Return the queryset and the condition for addresses that begin so."""
    if not re.fullmatch(r"[0-9a-fA-F.:]{2,45}", text) or not re.search(r"[.:]", text):
        return queryset, NOTHING
    with suppress(ValueError):  # it may be the beginning of one
        text = f'{ipaddress.ip_address(text)}"'
    return (
        queryset.alias(addresses_text=Cast("addresses", TextField())),
        Q(addresses_text__contains=f'"ip": "{text}'),
    )
