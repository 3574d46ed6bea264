"""Who sends a request: a token, a browser's session, or the developer at the machine."""

import ipaddress
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http.request import split_domain_port
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from compute.access import Access, Key
from compute.api.http.problems import NotAuthentic
from compute.errors import Problem, Unauthenticated
from compute.models import User
from compute.models.api_token import SCHEME
from compute.peers import is_own_process
from compute.services import logins, tokens

#: How the headers begin that proxies and tunnels add: who is behind one is elsewhere.
_FORWARDED = (
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-ip",
    "x-original-",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-envoy-",
    "true-client-ip",
    "cf-",
    "cdn-loop",
    "fly-",
    "ngrok-",
    "tailscale-",
)

Authenticated = tuple[Any, Access] | None


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer` with an API token (``osl_…``) or a login's access token."""

    def authenticate(self, request: Request) -> Authenticated:
        header = request.META.get("HTTP_AUTHORIZATION")
        if header is None:
            return None
        scheme, _, text = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Unauthenticated("Send Authorization: Bearer TOKEN.")
            read = tokens.authenticate if text.startswith(SCHEME) else logins.access
            access = read(text, ahead=request.parser_context["view"].ahead)
        except Problem as problem:
            raise NotAuthentic(problem) from problem
        return access.user, access

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """The session of somebody who logged in with a browser; writes need a CSRF token."""

    def authenticate(self, request: Request) -> Authenticated:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        login_id = request._request.session.get(logins.SESSION_KEY)
        key = Key("login", UUID(login_id)) if login_id else None
        return user, Access(user, key=key)


class DevelopmentAuthentication(BaseAuthentication):
    """With DEBUG, who sends nothing from this machine is the demo administrator.

    That needs a loopback address on both sides, the name and port that this server
    listens on, no trace of a proxy, and on Linux a process of the same user, or of
    root, at the other end. So neither a page that rebinds a name, nor another user of
    the machine, nor a tunnel that says what it is makes anybody else one. What remains:
    a tunnel that a developer starts, that passes bytes on as they come (``ssh -R``) and
    whose user sends ``Host: localhost:8000``, cannot be told from the developer.
    """

    def authenticate(self, request: Request) -> Authenticated:
        if not settings.DEBUG or not is_local(request):
            return None
        user = (
            User.objects.filter(is_superuser=True, is_active=True)
            .order_by("pk")
            .first()
        )
        return (user, Access(user)) if user else None


def is_local(request: Request) -> bool:
    """Whether a request was sent from this machine to this machine by its own name."""
    if any(name.lower().startswith(_FORWARDED) for name in request.headers):
        return False
    try:
        sender = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    domain, port = split_domain_port(request.get_host())
    listens_on: str = request.META.get("SERVER_PORT", "")
    if not sender.is_loopback or domain not in settings.LOOPBACK:
        return False
    return (port or "80") == listens_on and _is_own_process(request, str(sender))


def _is_own_process(request: Request, sender: str) -> bool:
    try:
        far = sender, int(request.META["REMOTE_PORT"])
        here = request.META["SERVER_NAME"], int(request.META["SERVER_PORT"])
    except (KeyError, ValueError):
        return True  # the server does not tell
    return is_own_process(far, here) is not False
