"""Conditions for what a person types into a search field."""

import ipaddress
import json
import re
from contextlib import suppress
from functools import lru_cache
from itertools import chain, islice, takewhile
from typing import Any
from uuid import UUID

from django.db.models import BooleanField, CharField, F, Func, Q, TextField, lookups

from compute import label_selector
from compute.models.kinds import KINDS
from compute.models.subjects import SUBJECTS

NOTHING = Q(pk__in=())
#: Things that are few enough to be named one by one.
MAX_THINGS = 500

#: What pg_trgm makes of a text: three letters or digits, or two at the end of a word, or
#: one at its begin.
_THREE_IN_A_ROW = re.compile(r"[^\W_]{2}.|[\W_][^\W_]", re.DOTALL)


@CharField.register_lookup
@TextField.register_lookup
class IContains(lookups.IContains):
    """Django's, which SQLite answers for ASCII alone: there Python folds the case.

    On PostgreSQL it stays as it is, so that an index on the upper case fits, which knows
    three letters in a row. A text without such has an index of its own, of names with a
    small z around each letter: there one letter makes three.
    """

    def as_postgresql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value() or _THREE_IN_A_ROW.search(str(self.rhs)):
            return super().as_sql(compiler, connection)
        text, parameters = self.process_lhs(compiler, connection)
        spaced = f"'z' || regexp_replace({text}, '(.)', '\\1z', 'g')"
        # Each letter escaped, for it may be a wildcard.
        pattern = r"'%%z' || regexp_replace(UPPER(%s), '(.)', '\\\1z', 'g') || '%%'"
        return f"({spaced}) LIKE {pattern}", [*parameters, str(self.rhs)]

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value():
            return super().as_sql(compiler, connection)
        text, parameters = self.process_lhs(compiler, connection)
        wanted = str(self.rhs).casefold()
        return f"INSTR({FOLD}({text}), %s) > 0", [*parameters, wanted]


#: The function of SQLite by which `IContains` folds, and that of `HasIPv6`.
FOLD = "VM_CASEFOLD"
IN_NETWORK = "VM_IN_NETWORK"
#: The function of PostgreSQL, and of an index there, for what addresses begin with.
BEGINS = "vm_address_begins"


def add_functions(connection: Any, **_: Any) -> None:
    """Give a new connection to SQLite what it lacks."""
    if connection.vendor == "sqlite":
        create = connection.connection.create_function
        create(FOLD, 1, _fold, deterministic=True)
        create(IN_NETWORK, 2, _in_network, deterministic=True)


def _fold(text: str | None) -> str | None:
    return None if text is None else text.casefold()


def _in_network(addresses: str, network: str) -> bool:
    ips = (address.get("ip") for address in json.loads(addresses))
    return any(ip in _network(network) for ip in map(_ip, ips) if ip)


def _ip(text: str) -> Any:
    with suppress(ValueError):
        return ipaddress.ip_address(text)


@lru_cache(maxsize=16)
def _network(text: str) -> Any:
    return ipaddress.ip_network(text)


def id_prefix(text: str, *, field: str = "id") -> Q:
    """Return the condition for ids that begin so: a range, which an index knows."""
    digits = text.lower().replace("-", "")
    if not re.fullmatch(r"[0-9a-f]{1,32}", digits):
        return NOTHING
    first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
    return Q(**{f"{field}__gte": first, f"{field}__lte": last})


def named(text: str, *, kind: str, id: str) -> Q:
    """Return the condition for rows that name a thing, by two of their fields.

    By a part of its name, or the beginning of its id. Of few things the ids are looked
    up, so that an index of the rows is used; of many there are rows soon in any order.
    """
    condition = Q(**{f"{kind}__in": list(SUBJECTS)}) & id_prefix(text, field=id)
    named = {
        slug: known.model._default_manager.filter(name__icontains=text).values("pk")
        for slug, known in KINDS.items()
    }
    rows = chain.from_iterable(things[: MAX_THINGS + 1] for things in named.values())
    ids = [row["pk"] for row in islice(rows, MAX_THINGS + 1)]
    if len(ids) <= MAX_THINGS:
        return condition | Q(**{f"{kind}__in": list(KINDS), f"{id}__in": ids})
    for slug, things in named.items():
        condition |= Q(**{kind: slug, f"{id}__in": things})
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


def in_network(text: str) -> Q:
    """Return the condition for VMs with an address in a network: ``10.0.16.0/20``."""
    if "/" not in text or "%" in text:  # the latter before the zone of an address
        return NOTHING
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return NOTHING
    if isinstance(network, ipaddress.IPv4Network):
        return Q(HasIPv4(F("addresses"), network))
    return Q(HasIPv6(F("addresses"), network))


class HasIPv4(Func):
    """Whether one of a VM's addresses is in a network: begins with one of some octets."""

    output_field = BooleanField()

    def __init__(self, addresses: Any, network: ipaddress.IPv4Network) -> None:
        super().__init__(addresses)
        whole, rest = divmod(network.prefixlen, 8)
        octets = list(network.network_address.packed)
        begin = [str(octet) for octet in octets[:whole]]
        self.begins = [begin]
        if rest:
            first = octets[whole]
            values = range(first, first + (1 << (8 - rest)))
            self.begins = [[*begin, str(value)] for value in values]

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        others = ["[0-9]+"] * (4 - len(self.begins[0]))
        texts = "|".join("[.]".join([*begin, *others]) for begin in self.begins)
        return f"{addresses} REGEXP %s", [*parameters, f'"ip": "({texts})"']

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        column = f"{BEGINS}({addresses})"
        begins = [".".join(begin) or "." for begin in self.begins]
        condition = f"{column} && %s::text[]"
        if len(begins) == 1 or len(self.begins[0]) < 4:
            return condition, [*parameters, begins]
        # PostgreSQL has counted how many begin with which three octets; how many have all
        # four it only guesses.
        first = [".".join(self.begins[0][:3])]
        condition = f"({column} && %s::text[] AND {condition})"
        return condition, [*parameters, first, *parameters, begins]


_WORD = "[0-9a-f]{1,4}"
_WORDS = f"({_WORD}(:{_WORD}){{0,6}})?"
#: What PostgreSQL reads as an address, and does not refuse: eight words, or fewer with ``::``.
_IPV6 = f"^(({_WORD}:){{7}}{_WORD}|(?!:*{_WORD}(:+{_WORD}){{7}}){_WORDS}::{_WORDS})$"


class HasIPv6(Func):
    """The same of the other version: the first of its words narrow it down."""

    output_field = BooleanField()

    def __init__(self, addresses: Any, network: ipaddress.IPv6Network) -> None:
        super().__init__(addresses)
        words = network.network_address.exploded.split(":")[: network.prefixlen // 16]
        # A zero may be written as nothing.
        sure = takewhile(bool, (int(word, 16) for word in words))
        self.begin = "".join(f"{word:x}:" for word in islice(sure, 4))
        self.network = str(network)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        return (
            f"(INSTR({addresses}, %s) > 0 AND {IN_NETWORK}({addresses}, %s))",
            [*parameters, f'"ip": "{self.begin}', *parameters, self.network],
        )

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, parameters = compiler.compile(self.source_expressions[0])
        # CASE: what is no address is not read as one.
        return (
            f"({BEGINS}({addresses}) && %s::text[]"
            f" AND EXISTS (SELECT FROM jsonb_path_query({addresses}, '$[*].ip')"
            f" AS a(ip) WHERE CASE WHEN ip #>> '{{}}' ~ '{_IPV6}'"
            " THEN (ip #>> '{}')::inet <<= %s::inet END))",
            [*parameters, [self.begin or ":"], *parameters, self.network],
        )


def has_mac(text: str) -> Q:
    """Return the condition for VMs with a port of this hardware address."""
    digits = re.sub(r"[:.-]", "", text.lower())
    if not re.fullmatch(r"[0-9a-f]{12}", digits):
        return NOTHING
    mac = ":".join(re.findall("..", digits))
    return Q(HasMAC(F("addresses"), F("networks"), mac=mac))


class HasMAC(Func):
    """Whether an address or a port of a VM has it: PostgreSQL has an index of both."""

    output_field = BooleanField()

    def __init__(self, *columns: Any, mac: str) -> None:
        super().__init__(*columns)
        self.mac = mac

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, networks = (compiler.compile(c)[0] for c in self.source_expressions)
        text = f'"mac": "{self.mac}"'
        return f"INSTR({addresses} || {networks}, %s) > 0", [text]

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        addresses, networks = (compiler.compile(c)[0] for c in self.source_expressions)
        macs = indexed_macs(addresses, networks)
        return f"{macs} @> %s::jsonb", [f'["{self.mac}"]']


def indexed_macs(addresses: str, networks: str) -> str:
    """Return PostgreSQL's expression of which its index is made."""
    return (
        f"(jsonb_path_query_array({addresses}, '$[*].mac')"
        f" || jsonb_path_query_array({networks}, '$[*].mac'))"
    )


def has_label(text: str) -> Q:
    """Return the condition for rows with a label: ``env``, or ``env=prod``."""
    try:
        [requirement] = label_selector.parse(text)
    except ValueError:
        return NOTHING
    is_plain = requirement.operator in ("in", "exists")
    return label_selector.condition([requirement]) if is_plain else NOTHING


def indexed_addresses(column: str) -> str:
    """Return PostgreSQL's expression of which its index is made."""
    ips = f"(jsonb_path_query_array({column}, '$[*].ip'))::text"
    return f"translate({ips}, '{HasAddress.SEPARATORS}', '{HasAddress.LETTERS}')"
