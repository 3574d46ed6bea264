"""/events/stream and /events/ws: events as they happen; /events/tickets: a way in."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Access
from compute.api.following import checked, followed
from compute.api.http.authentication import BearerAuthentication
from compute.api.http.filters import MAX_VALUES, values_of
from compute.api.http.guarded import GuardedView, refuse_foreign_pages
from compute.api.http.parameters import joined, refuse
from compute.api.http.problems import NotAuthentic, StreamsNotServed, UpgradeRequired
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.body import TEXT, TIME, Body, Field
from compute.errors import PermissionDenied, Problem, ValidationError
from compute.models import Event, subjects
from compute.services import streams
from compute.services.streams import OFFER, Stream, Wanted

TICKET_BODY = Body(
    "StreamTicket",
    "Opens one stream, once, within 60 seconds.",
    Field("ticket", TEXT, "mJ3xr0yVwqk3nVtGmSg7Yc5Zk1oQ2hE8aLrXfT9uBdI"),
    Field("expires_at", TIME, "2026-11-23T10:01:00Z"),
)

_CURSOR = "The last event you have: an `Event-Cursor`, or the `sequence` of an event."
PARAMETERS = (
    OpenApiParameter(
        "project",
        OpenApiTypes.UUID,
        description="Whose events; with one project, or an API token, it may be left out.",
    ),
    OpenApiParameter(
        "after",
        {"type": "string", "pattern": "^[0-9]{1,12}$"},
        description=f"{_CURSOR} Without it the stream begins now.",
    ),
    OpenApiParameter(
        "type",
        {"type": "array", "items": {"type": "string"}},
        description="These types; `vm.*` is all of VMs.",
        explode=False,
    ),
    OpenApiParameter(
        "subject",
        {
            "type": "array",
            "items": {"type": "string", "pattern": f"^({subjects.PATTERN})$"},
        },
        description="About these subjects, such as `vms/{id}`.",
        explode=False,
    ),
    OpenApiParameter(
        "ticket",
        {"type": "string", "maxLength": 64},
        description="Of `POST /events/tickets`, in place of a header.",
    ),
)
LAST_EVENT_ID = OpenApiParameter(
    "Last-Event-ID",
    {"type": "string", "pattern": "^[0-9]{1,12}$"},
    OpenApiParameter.HEADER,
    description="As `after`, which it precedes. An `EventSource` that reconnects sends it.",
)


class TicketAuthentication(BaseAuthentication):
    """`?ticket=`, for who cannot send a header: an EventSource, a WebSocket."""

    def authenticate(self, request: Request) -> tuple[Any, Access] | None:
        text = request.query_params.get("ticket")
        if text is None:
            return None
        try:
            access = streams.redeem(text)
        except Problem as problem:
            raise NotAuthentic(problem) from problem
        return access.user, access

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


#: By what the client itself has sent.
_BY_KEY = (BearerAuthentication, TicketAuthentication)


class EventStreamRenderer(BaseRenderer):
    """Names the media type; what follows the headers is written as it happens."""

    media_type = "text/event-stream"
    format = "stream"
    charset = None

    def render(self, data: Any, *_: Any, **__: Any) -> bytes:
        return b":\n\n"  # without a body DRF leaves out its type


class EventStreamViewSet(ResourceViewSet[Event]):
    """A stream of one project's events: each once, in order, without a gap."""

    queryset = Event.objects.none()  # its model, for the schema
    noun = "event"
    shows = TICKET_BODY
    starts_operations = False
    authentication_classes = [
        TicketAuthentication,
        *GuardedView.authentication_classes,
    ]
    query_parameters = {"stream": PARAMETERS, "socket": PARAMETERS}
    more_problems = {"stream": (410, 501), "socket": (410, 426, 501)}

    def several_parameters(self) -> frozenset[str]:
        return frozenset({"type", "subject"})

    @extend_schema(
        operation_id="events_stream",
        parameters=[LAST_EVENT_ID],
        responses={(200, "text/event-stream"): OpenApiTypes.STR},
    )
    def stream(self, request: Request) -> Response:
        """Follow events as server-sent events.

        `id` is the sequence, `event` the type, `data` the event. A comment comes every
        15 seconds. When your key ends, an `end` event with a problem is the last.
        """
        stream = self._open()
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return Response(headers={**headers, "Event-Cursor": f"{stream.after:012d}"})

    @extend_schema(exclude=True)
    def socket(self, request: Request) -> Response:
        """Follow events over a WebSocket: the same, a text frame for each."""
        offer = getattr(request._request, "scope", {}).get(OFFER)
        if offer is None or not offer.is_socket:
            raise UpgradeRequired("Open a WebSocket here.")
        if not isinstance(request.successful_authenticator, _BY_KEY):
            # A browser lets any page open a WebSocket, and sends its cookie with it.
            refuse_foreign_pages(request)
        stream = self._open()
        return Response(headers={"Event-Cursor": f"{stream.after:012d}"})

    @extend_schema(
        operation_id="events_create_ticket", request=None, responses={201: TICKET_BODY}
    )
    def create_ticket(self, request: Request) -> Response:
        """Create a ticket: it opens one stream, once, in place of a header.

        It is worth what your key is worth, and ends with it.
        """
        self._require_somewhere()
        text, expires_at = streams.create_ticket(self.access, self.access.user)  # type: ignore[arg-type]  # authenticated by now
        ticket = {"ticket": text, "expires_at": expires_at}
        headers = {"Cache-Control": "no-store"}
        return Response(TICKET_BODY.show(ticket), status=201, headers=headers)

    def get_renderers(self) -> list[BaseRenderer]:
        if self.action == "create_ticket":
            return super().get_renderers()
        return [EventStreamRenderer()]

    @property
    def permission(self) -> str:
        """That of both streams: they have the same events."""
        return streams.PERMISSION

    def policy_of(self, request: Request) -> str:
        return "default" if self.action == "create_ticket" else "poll"

    def _open(self) -> Stream:
        """Take a place for the stream that is asked for, and offer it to the server."""
        self._require_somewhere()
        request, params = self.request, joined(self.request)
        project_id, newest = followed(self, params)
        self.permit(project_id)
        stream = Stream(
            project_id,
            after=self._after(params, project_id, newest),
            newest=newest,
            wanted=_wanted(params),
            key=self.access.key,
            principal=f"user:{request.user.pk}",
        )
        offer = getattr(request._request, "scope", {}).get(OFFER)
        if offer is None:
            raise StreamsNotServed("This process serves no streams.")
        if request.method == "GET":  # and not HEAD
            streams.enter(stream)
            offer.stream = stream
        return stream

    def _after(self, params: Mapping[str, str], project_id: UUID, newest: int) -> int:
        if (last := self.request.headers.get("Last-Event-ID")) is None:
            text = params.get("after")
            return newest if text is None else checked(text, project_id, newest)
        try:
            return checked(last, project_id, newest)
        except ValidationError as error:
            row = {"header": "Last-Event-ID", "code": "invalid", "detail": error.detail}
            raise ValidationError([row]) from error

    def _require_somewhere(self) -> None:
        if self.scope.projects == ():
            raise PermissionDenied("Events are for the admins of a project.")


def _wanted(params: Mapping[str, str]) -> Wanted:
    types, about = _values(params, "type"), _values(params, "subject")
    for text in about:
        if not re.fullmatch(subjects.PATTERN, text):
            raise refuse("subject", "invalid", f"{text!r} is no subject.")
    return Wanted(
        frozenset(text for text in types if not text.endswith(".*")),
        tuple(text.removesuffix("*") for text in types if text.endswith(".*")),
        frozenset(about),
    )


def _values(params: Mapping[str, str], name: str) -> list[str]:
    if name not in params:
        return []
    values = values_of(params[name])
    if values is None or "" in values:
        raise refuse(name, "invalid", f"{name} cannot be read.")
    if len(values) > MAX_VALUES:
        raise refuse(name, "max_length", f"At most {MAX_VALUES} values.")
    return values
