"""Who a request comes from, with all that it opens, in one statement.

The SQL is written out because every request sends it: to have the ORM build it again each
time took longer than the rest of a read. Nothing is kept from one request to the next, so
what is revoked, deactivated or taken away is refused with the next one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection
from django.utils import timezone

from compute.access import Grant
from compute.ahead import Ahead, alone
from compute.models import Login, Role, User
from compute.statements import fetch

#: In the order of the model's fields, as `from_db` takes them.
_USER = ("id", "password", "is_superuser", "username", "is_staff", "is_active")

_LOGINS = """
SELECT u.id, u.password, u.is_superuser, u.username, u.is_staff, u.is_active,
       l.auth_hash, m.project_id, m.role, p.event_sequence, l.id{{selected}}
FROM compute_login l
JOIN compute_user u ON u.id = l.user_id
LEFT JOIN compute_membership m ON m.user_id = u.id
LEFT JOIN compute_project p ON p.id = m.project_id
{{joined}}
WHERE l.revoked_at IS NULL AND l.expires_at > %(now)s AND l.id {}
ORDER BY m.project_id
"""
_BY_LOGIN = _LOGINS.format("= %(id)s")

_TOKENS = """
SELECT u.id, u.password, u.is_superuser, u.username, u.is_staff, u.is_active,
       t.id, t.digest, t.project_id, t.role, m.role, p.event_sequence,
       t.expires_at <= %(now)s, t.last_used_at IS NULL OR t.last_used_at <= %(stale)s,
       t.prefix{{selected}}
FROM compute_apitoken t
JOIN compute_user u ON u.id = t.user_id
JOIN compute_project p ON p.id = t.project_id
LEFT JOIN compute_membership m ON m.user_id = u.id AND m.project_id = t.project_id
{{joined}}
WHERE t.revoked_at IS NULL AND t.{}
"""
_BY_PREFIX = _TOKENS.format("prefix = %(prefix)s")


@dataclass(frozen=True, slots=True)
class LoginFound:
    """An open login, its user, and the projects the user is in."""

    user: User
    auth_hash: str
    grants: Mapping[UUID, Grant]


@dataclass(frozen=True, slots=True)
class TokenFound:
    """A token that was not revoked, and its user."""

    user: User
    id: UUID
    prefix: str
    digest: str
    project_id: UUID
    #: What the token says, and what its user is in the project.
    role: Role
    user_role: Role | None
    event_sequence: int
    is_expired: bool
    #: Whether its use was last noted longer ago than asked.
    is_stale: bool


def by_login(login_id: UUID, *, ahead: Ahead | None = None) -> LoginFound | None:
    """Return what an open login leads to."""
    values = {"now": _time(timezone.now()), "id": _uuid(login_id)}
    rows = _fetch(_BY_LOGIN, values, "m.project_id", ahead)
    if ahead is not None:
        for row in rows:
            ahead.take(row[7] and _read_uuid(row[7]), row[11:])
    return _login(rows) if rows else None


def by_logins(ids: Collection[UUID]) -> dict[UUID, LoginFound]:
    """Return what each of some logins leads to, those that are open."""
    if not ids:
        return {}
    places, values = _among(ids)
    sql = alone(_LOGINS.format(places))
    rows = fetch(sql, {**values, "now": _time(timezone.now())}, prepare=False)
    of_login: dict[UUID, list[Sequence[Any]]] = {}
    for row in rows:
        of_login.setdefault(_read_uuid(row[10]), []).append(row)
    return {id: _login(rows) for id, rows in of_login.items()}


def _login(rows: Sequence[Sequence[Any]]) -> LoginFound:
    first = rows[0]
    grants = {
        _read_uuid(row[7]): Grant(Role(row[8]), row[9])
        for row in rows
        if row[7] is not None
    }
    return LoginFound(_user(first), first[6], grants)


def by_prefix(
    prefix: str, *, stale_before: datetime, ahead: Ahead | None = None
) -> list[TokenFound]:
    """Return the tokens that begin so: one, but for an unlikely accident."""
    values = {
        "now": _time(timezone.now()),
        "stale": _time(stale_before),
        "prefix": prefix,
    }
    rows = _fetch(_BY_PREFIX, values, "t.project_id", ahead)
    if ahead is not None:
        for row in rows:
            ahead.take(_read_uuid(row[8]), row[15:])
    return _found(rows)


def by_tokens(ids: Collection[UUID]) -> dict[UUID, TokenFound]:
    """Return those of some tokens that were not revoked."""
    if not ids:
        return {}
    now = _time(timezone.now())
    places, values = _among(ids)
    sql = alone(_TOKENS.format(f"id {places}"))
    rows = fetch(sql, {**values, "now": now, "stale": now}, prepare=False)
    return {found.id: found for found in _found(rows)}


def _fetch(
    query: str, values: dict[str, Any], project: str, ahead: Ahead | None
) -> Sequence[Sequence[Any]]:
    if ahead is None:
        return fetch(alone(query), values, prepare=True)
    sql, more = ahead.beside(query, project)
    return fetch(sql, {**values, **more}, prepare=True)


def _among(ids: Collection[UUID]) -> tuple[str, dict[str, Any]]:
    values = {f"id{number}": _uuid(id) for number, id in enumerate(ids)}
    return f"IN ({','.join(f'%({name})s' for name in values)})", values


def _found(rows: Sequence[Sequence[Any]]) -> list[TokenFound]:
    return [
        TokenFound(
            user=_user(row),
            id=_read_uuid(row[6]),
            digest=row[7],
            project_id=_read_uuid(row[8]),
            role=Role(row[9]),
            user_role=Role(row[10]) if row[10] is not None else None,
            event_sequence=row[11],
            is_expired=bool(row[12]),
            is_stale=bool(row[13]),
            prefix=row[14],
        )
        for row in rows
    ]


def _user(row: Sequence[Any]) -> User:
    id, password, is_superuser, username, is_staff, is_active = row[:6]
    flags = bool(is_superuser), username, bool(is_staff), bool(is_active)
    user: User = User.from_db(connection.alias, _USER, [id, password, *flags])
    return user


def _uuid(value: UUID) -> Any:
    return Login._meta.pk.get_db_prep_value(value, connection)


def _time(value: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(value)


def _read_uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)
