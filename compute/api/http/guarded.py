"""What every view of the API has: a principal, a limit, an entry when it refuses."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.functional import cached_property
from django.utils.http import is_same_domain
from rest_framework.authentication import SessionAuthentication
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from compute import throttling
from compute.access import Access
from compute.addresses import client_address, network_of
from compute.ahead import Ahead
from compute.api.http.parameters import refuse_unknown
from compute.api.http.parsers import BROWSER_PARSERS
from compute.api.http.problems import host_of, is_browser, request_id_of
from compute.bodies.reader import Reader
from compute.engine.waiting import resumed_by
from compute.errors import PermissionDenied, Problem
from compute.events import Actor
from compute.services import audit

logger = structlog.get_logger("compute.api")


class GuardedView(APIView):
    """Authenticates, counts, and notes what was refused."""

    #: Which of `throttling.policies` counts a request.
    policy: ClassVar[str] = "default"
    #: Whether each request is counted; the OpenAPI file says so.
    is_limited: ClassVar[bool] = True
    #: Action, or method, -> problems that it has besides those of all, by status.
    more_problems: ClassVar[Mapping[str, Collection[int]]] = {}
    standing: throttling.Standing | None = None
    #: The project a request is about, once that is known, and the row.
    project_id: UUID | None = None
    target: Any = None
    #: What is read in the same statement as who asks.
    ahead: Ahead | None = None

    @property
    def access(self) -> Access:
        """What the principal of this request may do and see."""
        known = self.request.auth
        return known if isinstance(known, Access) else Access(self.request.user)

    @cached_property
    def reader(self) -> Reader:
        return Reader(lambda: host_of(self.request), self.access)

    @property
    def actor(self) -> Actor:
        access = self.access
        return Actor(
            access.name,
            request_id=request_id_of(self.request),
            token=access.token.prefix if access.token else "",
            address=client_address(self.request),
        )

    def get_parsers(self) -> list[BaseParser]:
        """Return the parsers; forms only for a browser, that has nothing better."""
        parsers = super().get_parsers()
        # There is no request while the schema is made.
        request: Any = self.request
        if request is not None and is_browser(request):
            return parsers
        return [p for p in parsers if not isinstance(p, BROWSER_PARSERS)]

    def policy_of(self, request: Request) -> str:
        return self.policy

    def dispatch(
        self, request: HttpRequest, *args: Any, **kwargs: Any
    ) -> HttpResponseBase:
        if parked := resumed_by(request):
            return parked.go_on(parked.state)
        return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if request.method not in ("GET", "HEAD"):
            refuse_foreign_pages(request)
        # That a method is not allowed here is said first.
        if request.query_params and request.method in self.allowed_methods:
            refuse_unknown(
                request,
                known=self.known_parameters(),
                several=self.several_parameters(),
            )

    def known_parameters(self) -> frozenset[str]:
        """Return the query parameters that this request may have."""
        return frozenset()

    def several_parameters(self) -> frozenset[str]:
        """Return those of them that take several values."""
        return frozenset()

    def perform_authentication(self, request: Request) -> None:
        """Find out who asks, and count the request for them, or for their address."""
        user = None
        try:
            user = request.user
        finally:
            # Who fails to authenticate is counted too, before being told so.
            self.count(
                request,
                f"user:{user.pk}"
                if user is not None and user.is_authenticated
                else network_of(client_address(request)),
            )

    def count(
        self, request: Request, principal: str, *, policy: str | None = None
    ) -> None:
        """Count a request, or what it does beside; raise RateLimited over the limit."""
        policy = policy or self.policy_of(request)
        self.standing = throttling.count(policy, principal)
        if self.standing is not None and not self.standing.admitted:
            raise self.standing.refusal()

    def note_refusal(self, problem: Problem) -> None:
        """Leave an event of a refusal that an audit asks for."""
        if problem.status not in audit.AUDITED:
            return
        token = self.access.token
        match = self.request.resolver_match
        try:
            audit.refused(
                problem,
                actor=self.actor,
                method=self.request.method or "",
                path=self.request.path,
                project_id=self.project_id or (token.project_id if token else None),
                target=self.target,
                route=match.route if match else "",
            )
        except DatabaseError as error:
            # A refusal stays one when the database is full.
            logger.error("a refusal was not recorded as an event", reason=str(error))

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers["Vary"] = "Accept, Authorization, Cookie"
        final.headers["RateLimit-Policy"] = throttling.policy_header()
        if self.standing is not None:
            final.headers["RateLimit"] = self.standing.header
        return final


def refuse_foreign_pages(request: Request) -> None:
    """Raise when a web page of somebody else makes a user's browser send this.

    In development the service is open to its own machine, so that being reachable from
    the browser is all an attacker needs.
    """
    is_foreign = request.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site")
    # Older browsers, and some embedded ones, send an Origin alone.
    if is_foreign or not is_own_origin(request):
        raise PermissionDenied("A page of another site may not do this.")
    if is_browser(request) and "form" in request.content_type:
        SessionAuthentication().enforce_csrf(request)


def is_own_origin(request: Request) -> bool:
    """Whether a request comes from no page, or from one of this service.

    The scheme is left out: behind a proxy that ends TLS ours looks like plain HTTP.
    """
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    scheme, _, place = origin.lower().partition("://")
    for trusted in settings.CSRF_TRUSTED_ORIGINS:
        kind, _, pattern = trusted.partition("://")
        if kind == scheme and is_same_domain(place, pattern.lstrip("*")):
            return True
    own = request.get_host().lower()
    default = {"https": ":443", "http": ":80"}.get(scheme, "")
    return place.removesuffix(default) == own.removesuffix(default)
