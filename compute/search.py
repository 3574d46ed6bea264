"""Conditions for what a person types into a search field."""

import ipaddress
import re
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import CharField, Q, QuerySet, TextField, lookups
from django.db.models.functions import Cast

from compute.models.kinds import KINDS

NOTHING = Q(pk__in=())


@CharField.register_lookup
@TextField.register_lookup
class IContains(lookups.IContains):
    """Django's, which SQLite answers for ASCII alone: there Python folds the case.

    On PostgreSQL it stays as it is, so that an index on the upper case fits.
    """

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value():
            return super().as_sql(compiler, connection)
        text, parameters = self.process_lhs(compiler, connection)
        wanted = str(self.rhs).casefold()
        return f"INSTR({FOLD}({text}), %s) > 0", [*parameters, wanted]


#: The function of SQLite by which `IContains` folds.
FOLD = "VM_CASEFOLD"


def add_functions(connection: Any, **_: Any) -> None:
    """Give a new connection to SQLite what it lacks."""
    if connection.vendor == "sqlite":
        connection.connection.create_function(FOLD, 1, _fold, deterministic=True)


def _fold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def id_prefix(text: str, *, field: str = "id") -> Q:
    """Return the condition for ids that begin so: a range, which an index knows."""
    digits = text.lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return NOTHING
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return Q(**{f"{field}__gte": first, f"{field}__lte": last})


def named(text: str, *, kind: str, id: str) -> Q:
    """Return the condition for rows that name a thing, by two of their fields.

    By a part of its name, or the beginning of its id.
    """
    condition = id_prefix(text, field=id)
    for slug, known in KINDS.items():
        ids = known.model._default_manager.filter(name__icontains=text).values("pk")
        condition |= Q(**{kind: slug, f"{id}__in": ids})
    return condition


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
