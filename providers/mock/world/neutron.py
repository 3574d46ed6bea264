"""What the services of the mock's Neutron have in common: rows, refusals, quotas."""

import sqlite3
import uuid
from typing import Any

from providers.errors import (
    Conflict,
    Forbidden,
    InvalidRequest,
    NotFound,
    QuotaExceeded,
)
from providers.mock.world.faults import Call
from providers.mock.world.seed import PROJECT
from providers.mock.world.state import SECOND

_LIMIT = 255

#: Table -> Neutron's name of the refusal for a row that is not there, and its words.
_MISSING = {
    "networks": ("NetworkNotFound", "Network {} could not be found."),
    "subnets": ("SubnetNotFound", "Subnet {} could not be found."),
    "routers": ("RouterNotFound", "Router {} could not be found"),
    "ports": ("PortNotFound", "Port {} could not be found."),
    "floating_ips": ("FloatingIPNotFound", "Floating IP {} could not be found"),
    "security_groups": ("SecurityGroupNotFound", "Security group {} does not exist"),
    "security_group_rules": (
        "SecurityGroupRuleNotFound",
        "Security group rule {} does not exist",
    ),
}
#: Table -> Neutron's word in quotas.
RESOURCES = {
    "networks": "network",
    "subnets": "subnet",
    "routers": "router",
    "ports": "port",
    "floating_ips": "floatingip",
    "security_groups": "security_group",
    "security_group_rules": "security_group_rule",
}


def rows(
    db: sqlite3.Connection, table: str, now: int, where: str = "1", *values: object
) -> list[sqlite3.Row]:
    """Return the rows of one of `RESOURCES` seen at ``now``; ``where`` is our own SQL."""
    select = f"SELECT * FROM {table} WHERE ({where})"  # noqa: S608  # callers pass constants
    return db.execute(
        f"{select} AND visible_at <= ? ORDER BY number", (*values, now)
    ).fetchall()


def get(db: sqlite3.Connection, table: str, id: str, now: int) -> sqlite3.Row:
    """Return one row; `NotFound` with Neutron's words if there is none."""
    found = rows(db, table, now, "id = ?", id)
    if not found:
        raise missing(table, id)
    return found[0]


def insert(
    db: sqlite3.Connection, table: str, call: Call | None, now: int, **columns: Any
) -> str:
    """Insert a row of ours, for a call or from outside, and return its id."""
    hidden = call.faults.get("hidden") if call else None
    row = {
        "id": str(uuid.uuid4()),
        "project": PROJECT,
        "name": "",
        "marker": "",
        "visible_at": now + int(hidden.delay * SECOND) if hidden else 0,
        **columns,
    }
    db.execute(
        f"INSERT INTO {table} ({', '.join(row)})"  # noqa: S608  # names from callers
        f" VALUES ({', '.join(['?'] * len(row))})",
        tuple(row.values()),
    )
    return str(row["id"])


def delete(db: sqlite3.Connection, table: str, id: str) -> None:
    """Delete a row."""
    db.execute(f"DELETE FROM {table} WHERE id = ?", (id,))  # noqa: S608  # a constant


def describe(db: sqlite3.Connection, table: str, id: str, *more: str | None) -> str:
    """Return what injected faults match of a call on a row: its name, marker and id."""
    row = db.execute(
        f"SELECT name, marker FROM {table} WHERE id = ?",  # noqa: S608  # a constant
        (id,),
    ).fetchone()
    words = (row["name"], row["marker"]) if row else ()
    return " ".join(filter(None, (*words, id, *more)))


def check_quota(db: sqlite3.Connection, table: str, adding: int = 1) -> None:
    """Raise `QuotaExceeded` unless there is room for so many more."""
    quota = db.execute(
        "SELECT most FROM neutron_quotas WHERE resource = ?", (RESOURCES[table],)
    ).fetchone()
    if quota is None:
        return
    # Neither a router's ports nor those of floating IPs count.
    counted = " AND device_owner NOT LIKE 'network:%'" if table == "ports" else ""
    used = db.execute(
        f"SELECT count(*) FROM {table} WHERE project = ?{counted}",  # noqa: S608  # constants
        (PROJECT,),
    ).fetchone()[0]
    if used + adding > quota["most"]:
        raise QuotaExceeded(
            over_quota(table), service="neutron", status=409, code="OverQuota"
        )


def over_quota(table: str) -> str:
    """Return Neutron's words for a full quota."""
    return f"Quota exceeded for resources: ['{RESOURCES[table]}']."


def check_texts(name: str, marker: str) -> None:
    """Raise `InvalidRequest` for a name or marker that Neutron does not take."""
    for attribute, text in (("name", name), ("description", marker)):
        if len(text) > _LIMIT:
            raise invalid(
                "HTTPBadRequest",
                f"Invalid input for {attribute}. Reason: '{text}' exceeds maximum"
                f" length of {_LIMIT}.",
            )
        # Its columns are three bytes wide; a description answers 500 there.
        if any(ord(char) > 0xFFFF for char in text):
            raise invalid("HTTPBadRequest", f"Invalid input for {attribute}.")


def missing(table: str, id: str) -> NotFound:
    """Return the refusal for a row that is not there."""
    code, words = _MISSING[table]
    return not_found(code, words.format(id))


def not_found(code: str, words: str) -> NotFound:
    return NotFound(words, service="neutron", status=404, code=code)


def conflict(code: str, words: str) -> Conflict:
    return Conflict(words, service="neutron", status=409, code=code)


def invalid(code: str, words: str) -> InvalidRequest:
    return InvalidRequest(words, service="neutron", status=400, code=code)


def forbidden(action: str) -> Forbidden:
    """Return the refusal for what belongs to an operator."""
    return Forbidden(
        f"rule:{action} is disallowed by policy",
        service="neutron",
        status=403,
        code="PolicyNotAuthorized",
    )
