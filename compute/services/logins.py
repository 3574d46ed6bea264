"""Logins: a password for tokens, tokens for newer ones, and an end to both."""

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from django.contrib.auth import authenticate
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.token_blacklist.models import (
    BlacklistedToken,
    OutstandingToken,
)
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, Token

from compute import events
from compute.access import Access, Key
from compute.addresses import network_of
from compute.ahead import Ahead
from compute.errors import RateLimited, TokenExpired, Unauthenticated
from compute.events import Actor
from compute.models import Login, LoginKind, Outcome, User
from compute.places import Places
from compute.services import guesses, principals, repeats
from compute.services.principals import LoginFound

#: The claim that names the login, and what a browser's session calls it.
CLAIM = "login"
SESSION_KEY = "login"
EXPIRED = "The token has expired. Refresh it or log in again."
#: How soon the same refresh token may come again.
REPEATED_WITHIN = timedelta(seconds=10)
#: What is over is kept so long for operators to look at.
KEPT = timedelta(days=30)
#: The newest logins whose networks an account is known to use.
FAMILIAR = 200

#: A password is compared with its hash in a third of a second of a whole core.
_hashing = Places("MAX_PASSWORD_CHECKS")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login is shown; nothing of it is kept in clear."""

    access: str
    access_expires_at: datetime
    refresh: str
    refresh_expires_at: datetime

    def __repr__(self) -> str:
        return "Tokens(…)"


def check_password(username: str, password: str, *, actor: Actor) -> User:
    """Return the active user of a name and password, or raise Unauthenticated.

    Raises RateLimited, without a look at the password, when too many guesses at this
    account failed, or when many log in at this moment. The answer and the time it takes
    do not tell whether there is such a user.
    """
    network = network_of(actor.address)
    guess = guesses.Guess(
        username, network, is_familiar=lambda: _knows(username, network)
    )
    with _hashing.one() as admitted:
        if not admitted:
            raise _try_again()
        guess.require_patience()
        user = authenticate(username=username, password=password)
    if isinstance(user, User):
        guess.was_right()
        return user
    guess.was_wrong()
    _note_failure(username, actor)
    raise Unauthenticated("No active user with this name and password.")


def _try_again() -> RateLimited:
    problem = RateLimited(
        "Too many logins at the moment. Try again in a second.",
        violated_policies=["auth"],
    )
    problem.retry_after = 1
    return problem


def _note_failure(username: str, actor: Actor) -> None:
    """Leave an event of a failed login: one a minute for each account there is.

    All names that are nobody's count as one, and none of them is written: it may be a
    password typed by mistake, and anybody could fill the log with them.
    """
    is_known = User.objects.filter(username=username).exists()
    details: dict[str, object] = {"username": username} if is_known else {}
    with transaction.atomic():
        left_out = repeats.fold("login.failed", *details.values())
        if left_out is None:
            return
        if left_out:
            details["repeated"] = left_out
        events.record_outside(
            "login.failed", actor=actor, outcome=Outcome.FAILED, details=details
        )


def _knows(username: str, network: str) -> bool:
    """Whether an account has logged in from a network lately."""
    recent = Login.objects.filter(user__username=username).order_by("-created_at")
    addresses = recent.values_list("address", flat=True)[:FAMILIAR]
    return any(network_of(address) == network for address in addresses if address)


def begin(
    user: User, *, kind: LoginKind, actor: Actor, user_agent: str, lifetime: timedelta
) -> Login:
    """Open a login of a user whose password was checked."""
    with transaction.atomic():
        now = timezone.now()
        login: Login = Login.objects.create(
            user=user,
            kind=kind,
            auth_hash=user.get_session_auth_hash(),
            address=actor.address,
            user_agent=user_agent[:255],
            created_at=now,
            refreshed_at=now,
            expires_at=now + lifetime,
        )
        who = replace(actor, name=f"user:{user.get_username()}")
        events.record_outside("login.succeeded", actor=who, details={"kind": kind})
    return login


def begin_tokens(user: User, *, actor: Actor, user_agent: str) -> Tokens:
    """Open a login for a program or a shell, and return its first tokens."""
    with transaction.atomic():
        login = begin(
            user,
            kind=LoginKind.TOKENS,
            actor=actor,
            user_agent=user_agent,
            lifetime=api_settings.REFRESH_TOKEN_LIFETIME,
        )
        User.objects.filter(pk=user.pk).update(last_login=login.created_at)
    return _tokens(login, at=login.created_at, seed=uuid.uuid4().hex)


def refresh(text: str, *, actor: Actor) -> Tokens:
    """Return new tokens for a refresh token, which is used up by it.

    One that comes again at once, from another tab or because the answer was lost, gets
    the same tokens again. One that comes later was stolen, or its thief was faster: the
    login ends. Raises TokenExpired and Unauthenticated, also when the user is active no
    more.
    """
    token = _decoded(_RefreshToken, text)
    login = _open(token)
    # In one transaction: what is used up without new tokens would end the login when it
    # is sent again.
    with transaction.atomic():
        used_at, is_first = _use_up(token, login)
        is_stolen = not is_first and timezone.now() > used_at + REPEATED_WITHIN
        if is_first:
            login.refreshed_at = used_at
            login.expires_at = used_at + api_settings.REFRESH_TOKEN_LIFETIME
            login.save(update_fields=["refreshed_at", "expires_at"])
        elif is_stolen:
            revoke(login, actor=actor, reason="a refresh token was used twice")
    if is_stolen:
        raise Unauthenticated("The token was used before; log in again.")
    return _tokens(login, at=used_at, seed=token[api_settings.JTI_CLAIM])


def end(text: str, *, actor: Actor) -> None:
    """End the login of a refresh token, and with it all its tokens.

    One that is not valid opens nothing: there is nothing to end.
    """
    try:
        token = _decoded(_RefreshToken, text)
        login = _open(token)
    except (Unauthenticated, TokenExpired):
        return
    with transaction.atomic():
        _use_up(token, login)
        revoke(login, actor=actor)


def revoke(login: Login, *, actor: Actor, reason: str = "") -> None:
    """End a login: the next request with it is refused. Repeatable."""
    with transaction.atomic():
        now = timezone.now()
        if Login.objects.open(now).filter(pk=login.pk).update(revoked_at=now):
            details = {"user": login.user.get_username(), "kind": login.kind}
            if reason:
                details["reason"] = reason
            events.record_outside("login.revoked", actor=actor, details=details)


def access(text: str, *, ahead: Ahead | None = None) -> Access:
    """Return what an access token opens, or raise TokenExpired or Unauthenticated.

    What was revoked, deactivated or given another password is refused at once.
    """
    login_id, expires_at = _verified(text)
    ends_at = datetime.fromtimestamp(expires_at, tz=UTC)
    login = principals.by_login(login_id, ahead=ahead)
    return opened(login, Key("login", login_id, ends_at))


def opened(login: LoginFound | None, key: Key) -> Access:
    """Return what a login opens now, or raise TokenExpired or Unauthenticated."""
    if key.expires_at is not None and key.expires_at <= timezone.now():
        raise TokenExpired(EXPIRED)
    if login is None:
        raise Unauthenticated("The token is no longer valid.")
    _require_valid(login.user, login.auth_hash)
    return Access(login.user, grants=login.grants, key=key)


def is_open(login_id: str) -> bool:
    """Whether a browser's login was not ended meanwhile."""
    return Login.objects.open(timezone.now()).filter(pk=login_id).exists()


def forget_old() -> None:
    """Remove what ended long ago, and refresh tokens that have expired."""
    now = timezone.now()
    OutstandingToken.objects.filter(expires_at__lte=now).delete()
    Login.objects.filter(expires_at__lte=now - KEPT).delete()
    Session.objects.filter(expire_date__lte=now).delete()


class _RefreshToken(RefreshToken):
    def check_blacklist(self) -> None:
        """Leave it to `_use_up`, which tells a second use from a forgery."""


def _decoded(kind: type[Token], text: str) -> Token:
    try:
        token = kind(text)  # type: ignore[arg-type]  # it takes text, whatever it says
    except ExpiredTokenError as error:
        raise TokenExpired(EXPIRED) from error
    except TokenError as error:
        raise Unauthenticated("The token is not valid.") from error
    # The leeway is for clocks that differ when it was issued, not for a longer life.
    if _end_of(token) <= timezone.now():
        raise TokenExpired(EXPIRED)
    return token


@lru_cache(maxsize=2048)
def _verified(text: str) -> tuple[uuid.UUID, int]:
    """Return the login of an access token, and until when it is good.

    Remembered, as a signature that is right stays right; whether its login is still
    open is asked at every request.
    """
    token = _decoded(AccessToken, text)
    return _login_of(token), token["exp"]


def _login_of(token: Token) -> uuid.UUID:
    try:
        return uuid.UUID(str(token[CLAIM]))
    except (KeyError, ValueError) as error:
        raise Unauthenticated("The token is not valid.") from error


def _require_valid(user: User, auth_hash: str) -> None:
    same = constant_time_compare(auth_hash, user.get_session_auth_hash())
    if not user.is_active or not same:
        raise Unauthenticated("The token is no longer valid.")


def _open(token: Token) -> Login:
    logins = Login.objects.open(timezone.now()).filter(pk=_login_of(token))
    login = logins.select_related("user").first()
    if login is None:
        raise Unauthenticated("The token is no longer valid.")
    _require_valid(login.user, login.auth_hash)
    return login


def _use_up(token: Token, login: Login) -> tuple[datetime, bool]:
    """Put a refresh token on the blacklist; return since when it is there, and if new.

    The unique row decides between two that come at once. The token itself is not
    stored: who reads the database shall not be able to use it.
    """
    outstanding, _ = OutstandingToken.objects.get_or_create(
        jti=token[api_settings.JTI_CLAIM],
        defaults={
            "user": login.user,
            "created_at": timezone.now(),
            "expires_at": _end_of(token),
            "token": "",
        },
    )
    used, is_new = BlacklistedToken.objects.get_or_create(token=outstanding)
    return used.blacklisted_at, is_new


def _tokens(login: Login, *, at: datetime, seed: str) -> Tokens:
    """Return the tokens of a login that are issued at a time.

    The same time and seed give the same tokens, so that they can be told again and
    need not be stored.
    """
    refreshing, accessing = RefreshToken(), AccessToken()
    for token in (refreshing, accessing):
        token.set_iat(at_time=at)
        token.set_exp(from_time=at)
        name = salted_hmac(f"compute.logins.{token.token_type}", seed).hexdigest()
        token[api_settings.JTI_CLAIM] = name
        token[CLAIM] = str(login.pk)
        token[api_settings.USER_ID_CLAIM] = str(login.user_id)
    return Tokens(
        access=str(accessing),
        access_expires_at=_end_of(accessing),
        refresh=str(refreshing),
        refresh_expires_at=_end_of(refreshing),
    )


def _end_of(token: Token) -> datetime:
    return datetime.fromtimestamp(token["exp"], tz=UTC)
