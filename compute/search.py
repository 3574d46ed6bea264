"""Conditions for what a person types into a search field."""

import ipaddress
import re
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, CharField, F, Func, Q, TextField, lookups

from compute.models.kinds import KINDS

NOTHING = Q(pk__in=())

#: What pg_trgm makes of a text: three letters or digits, or two at the end of a word, or
#: one at its begin.
_THREE_IN_A_ROW = re.compile(r"[^\W_]{2}.|[\W_][^\W_]", re.DOTALL)


@CharField.register_lookup
@TextField.register_lookup
class IContains(lookups.IContains):
    """Django's, which SQLite answers for ASCII alone: there Python folds the case.

    On PostgreSQL it stays as it is, so that an index on the upper case fits, which knows
    three letters in a row. A text without such has an index of its own, of names with a
    small z after each letter: there a pair of letters makes three.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value() or _THREE_IN_A_ROW.search(str(self.rhs)):
            return super().as_sql(compiler, connection)
        text, parameters = self.process_lhs(compiler, connection)
        spaced = f"regexp_replace({text}, '(.)', '\\1z', 'g')"
        # Each letter escaped, for it may be a wildcard.
        pattern = r"'%%' || regexp_replace(UPPER(%s), '(.)', '\\\1z', 'g') || '%%'"
        return f"{spaced} LIKE {pattern}", [*parameters, str(self.rhs)]

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


def has_address(text: str) -> Q:
    """Return the condition for VMs with an address that begins so."""
    if not re.fullmatch(r"[0-9a-fA-F.:]{2,45}", text) or not re.search(r"[.:]", text):
        return NOTHING
    with suppress(ValueError):  # it may be the beginning of one
        text = f'{ipaddress.ip_address(text)}"'
    return Q(HasAddress(F("addresses"), text.lower()))


class HasAddress(Func):
    """Whether one of a VM's addresses begins with a text; with a quote, is that text.

    PostgreSQL has an index of three letters each. It knows letters and digits alone, and
    would see but the numbers between the dots: so what separates them is a letter there.
    """

    output_field = BooleanField()
    SEPARATORS = '".:'
    LETTERS = "qxz"

    def __init__(self, addresses: Any, beginning: str) -> None:
        super().__init__(addresses)
        self.beginning = beginning

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        return f"INSTR({addresses}, %s) > 0", [*parameters, f'"ip": "{self.beginning}']

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        letters = str.maketrans(self.SEPARATORS, self.LETTERS)
        pattern = "%" + f'"{self.beginning}'.translate(letters) + "%"
        return f"{indexed_addresses(addresses)} LIKE %s", [*parameters, pattern]


def indexed_addresses(column: str) -> str:
    """Return PostgreSQL's expression of which its index is made."""
    ips = f"(jsonb_path_query_array({column}, '$[*].ip'))::text"
    return f"translate({ips}, '{HasAddress.SEPARATORS}', '{HasAddress.LETTERS}')"
