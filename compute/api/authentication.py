"""Who sends a request: a token, a browser's session, or the developer at the machine."""

import ipaddress
from typing import Any

from django.conf import settings
from django.http.request import split_domain_port
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.request import Request

from compute.access import Access
from compute.api.problems import NotAuthentic
from compute.errors import Problem, Unauthenticated
from compute.models import User
from compute.models.api_token import SCHEME
from compute.services import logins, tokens

#: A proxy adds these: who is behind it is not at the machine.
_FORWARDED = ("X-Forwarded-For", "X-Real-Ip", "Forwarded")

Authenticated = tuple[Any, Access] | None


class BearerAuthentication(BaseAuthentication):
    """`Authorization: Bearer` with an API token (``osl_…``) or a login's access token."""

    def authenticate(self, request: Request) -> Authenticated:
        header = request.headers.get("Authorization")
        if header is None:
            return None
        scheme, _, text = header.partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Unauthenticated("Send Authorization: Bearer TOKEN.")
            read = tokens.authenticate if text.startswith(SCHEME) else logins.access
            access = read(text)
        except Problem as problem:
            raise NotAuthentic(problem) from problem
        return access.user, access

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class BrowserAuthentication(SessionAuthentication):
    """The session of somebody who logged in with a browser; writes need a CSRF token."""

    def authenticate(self, request: Request) -> Authenticated:
        found = super().authenticate(request)
        return (found[0], Access(found[0])) if found else None


class DevelopmentAuthentication(BaseAuthentication):
    """With DEBUG, who sends nothing from this machine is the demo administrator.

    That needs a loopback address on both sides and no proxy between: neither a page
    that rebinds a name nor a tunnel makes anybody else one.
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
    if any(name in request.headers for name in _FORWARDED):
        return False
    try:
        sender = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    domain, _ = split_domain_port(request.get_host())
    return sender.is_loopback and domain in settings.LOOPBACK
