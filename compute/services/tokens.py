"""API tokens: made once, shown once, known again by their digest."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from compute import events
from compute.access import Access, Grant, Key, TokenUsed
from compute.ahead import Ahead
from compute.errors import (
    PermissionDenied,
    TokenExpired,
    Unauthenticated,
    ValidationError,
)
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import APIToken, Membership, Project, Role, User
from compute.models.api_token import PREFIX_LENGTH, SCHEME
from compute.permissions import PERMISSIONS
from compute.services import fields, principals, rows
from compute.services.principals import TokenFound

#: A token that names no end has this one.
LIFETIME = timedelta(days=90)
#: The longest that can be asked for in days; a hundred years.
MAX_DAYS = 36_500
#: What has ended is kept so long for people to look at.
KEPT = timedelta(days=30)
#: `last_used_at` is no more exact than this: a write per request would cost too much.
USE_NOTED_EVERY = timedelta(minutes=1)


def end_after(days: int) -> datetime | None:
    """Return when a token of so many days ends; 0: never."""
    return timezone.now() + timedelta(days=days) if days else None


def create_for(
    giver: Access,
    *,
    user: User,
    project: Project,
    role: Role,
    name: str,
    actor: Actor,
    expires_at: datetime | None,
) -> tuple[APIToken, str]:
    """Make a token for somebody else, as `create` does.

    Who is shown the secret can act as its user, and with its role: so it raises
    PermissionDenied, too, unless the giver may do all that both may.
    """
    if not giver.covers(user):
        raise PermissionDenied(
            "This account may do more than yours: you cannot create tokens for it.",
            field="user",
        )
    giver.require_grant(role, project.pk)
    return create(
        user=user,
        project=project,
        role=role,
        name=name,
        actor=actor,
        expires_at=expires_at,
    )


def create(
    *,
    user: User,
    project: Project,
    role: Role,
    name: str,
    actor: Actor,
    expires_at: datetime | None,
) -> tuple[APIToken, str]:
    """Make a token; return it with its secret, which nobody can read again.

    Raises PermissionDenied when the role is above the user's own in the project, or the
    user is inactive, and NotFound when the project was deleted.
    """
    secret = f"{SCHEME}{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        # The locks make it wait for who closes the account, deletes the project or
        # removes the member, and the other way round: they revoke every token there is.
        people = User.objects.select_for_update(no_key=True)
        if not people.filter(pk=user.pk, is_active=True).exists():
            raise PermissionDenied("An inactive user has no API tokens.", field="user")
        rows.lock(project)
        _require_role(user, project, role)
        token: APIToken = APIToken(
            user=user,
            project=project,
            role=role,
            name=name,
            prefix=_prefix(secret),
            digest=_digest(secret),
            expires_at=expires_at,
        )
        fields.check(token, "name", "role")
        _require_future(expires_at)
        token.save(force_insert=True)
        events.record(
            "api-token.created", actor=actor, subject=token, details=_details(token)
        )
    return token, secret


def _require_role(user: User, project: Project, role: Role) -> None:
    membership = Membership.objects.filter(user=user, project=project).first()
    member = Role(membership.role) if membership else None
    own = _own_role(user, member, wanted=role)
    if own is None or role.rank > own.rank:
        raise PermissionDenied(
            f"A token cannot have the role {role}: its user does not have it in this "
            "project.",
            field="role",
        )


def _require_future(expires_at: datetime | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError(
            [
                {
                    "pointer": "#/expires_at",
                    "code": "past",
                    "detail": "Must be in the future.",
                }
            ]
        )


def revoke(token: APIToken, *, actor: Actor, expect: Expect = None) -> None:
    """End a token: the next request with it is refused. Repeatable."""
    with transaction.atomic():
        now = timezone.now()
        alive = APIToken.objects.alive().filter(pk=token.pk)
        check_expected(alive.select_for_update(no_key=True).first(), expect)
        if alive.update(revoked_at=now):
            events.record(
                "api-token.revoked", actor=actor, subject=token, details=_details(token)
            )


def forget_old() -> None:
    """Remove what expired or was revoked long ago; the log has its history."""
    long_ago = timezone.now() - KEPT
    ended = Q(expires_at__lte=long_ago) | Q(revoked_at__lte=long_ago)
    APIToken.objects.filter(ended).delete()


def authenticate(secret: str, *, ahead: Ahead | None = None) -> Access:
    """Return what a token opens, or raise Unauthenticated or TokenExpired.

    It is worth what its user is worth now: the role is the lower of both.
    """
    prefix, digest = _prefix(secret), _digest(secret)
    now = timezone.now()
    stale_before = now - USE_NOTED_EVERY
    for found in principals.by_prefix(prefix, stale_before=stale_before, ahead=ahead):
        if not hmac.compare_digest(found.digest, digest):
            continue
        access = opened(found)
        if found.is_stale:
            APIToken.objects.filter(pk=found.id).update(last_used_at=now)
        return access
    raise Unauthenticated("The API token is not valid.")


def opened(found: TokenFound) -> Access:
    """Return what a token opens now, or raise Unauthenticated or TokenExpired."""
    role = _effective(found)
    if found.is_expired:
        raise TokenExpired("The API token has expired. Create a new one.")
    return Access(
        found.user,
        grants={found.project_id: Grant(role, found.event_sequence)},
        token=TokenUsed(found.id, found.prefix, found.project_id),
        key=Key("token", found.id),
    )


def _effective(found: TokenFound) -> Role:
    own = _own_role(found.user, found.user_role, wanted=found.role)
    if own is None or not found.user.is_active:
        raise Unauthenticated("The API token is not valid.")
    return min(found.role, own, key=_rank)


def _own_role(user: User, member: Role | None, *, wanted: Role) -> Role | None:
    """Return the role that a user has as a member, or that an operator's account is worth."""
    if member is not None and member.rank >= wanted.rank:
        return member
    roles = [role for role in (member, _role_of_operator(user)) if role is not None]
    return max(roles, key=_rank, default=None)


def _role_of_operator(user: User) -> Role | None:
    """Return the highest role of which an operator has every permission."""
    if not user.is_staff:
        return None
    held = [
        role
        for role in Role
        if all(
            user.has_perm(permission.django_name)
            for permission in PERMISSIONS.values()
            if permission.is_granted_to(role)
        )
    ]
    return max(held, key=_rank, default=None)


def _rank(role: Role) -> int:
    return role.rank


def _prefix(secret: str) -> str:
    return secret[: len(SCHEME) + PREFIX_LENGTH]


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _details(token: APIToken) -> dict[str, object]:
    return {
        "name": token.name,
        "prefix": token.prefix,
        "user": token.user.get_username(),
        "role": token.role,
    }
