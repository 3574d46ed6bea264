"""/events/stream and /events/ws: events as they happen."""

import re
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework.authentication import BaseAuthentication
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Access
from compute.api.following import checked, followed
from compute.api.http.authentication import BearerAuthentication
from compute.api.http.filters import MAX_TEXT, TEXT_VALUE, fault_of, values_of
from compute.api.http.guarded import GuardedView, refuse_foreign_pages
from compute.api.http.parameters import joined, refuse
from compute.api.http.problems import NotAuthentic, StreamsNotServed, UpgradeRequired
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.events import EVENT_BODY
from compute.errors import PermissionDenied, Problem, ValidationError
from compute.models import Event, subjects
from compute.services import streams
from compute.services.streams import EVERYTHING, OFFER, Stream, Wanted

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
        {"type": "array", "items": TEXT_VALUE},
        description="These types; `vm.*` is all of VMs.",
    ),
    OpenApiParameter(
        "subject",
        {
            "type": "array",
            "items": {"type": "string", "pattern": f"^({subjects.PATTERN})$"},
        },
        description="About these subjects, such as `vms/{id}`.",
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

#: As it is on the wire, with `data` cut short.
EXAMPLE = """\
retry: 3000
id: 000000000183

id: 000000000184
event: vm.updated
data: {"specversion":"1.0","type":"vm.updated","sequence":"000000000184"}

:

"""


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
    shows = EVENT_BODY
    policy = "poll"
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
        responses={
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR,
                "Server-sent events, without an end.",
                [OpenApiExample("stream", EXAMPLE)],
            )
        },
    )
    def stream(self, request: Request) -> Response:
        """Follow one project as server-sent events.

        What `GET /events?after=` answers with, as it happens: each event once, in order,
        without a gap. `id` is its `sequence`, `event` its type, `data` the event in one
        line. The first block has no event but an `id`, the cursor from which you follow.
        A comment comes every 15 seconds.

        Whenever the connection ends, reconnect with the last `id` as `Last-Event-ID`; an
        `EventSource` does so by itself. An `end` event is the last: its `data` is a
        problem that says why your key no longer opens this stream, and to reconnect is
        in vain. With a cursor older than the log reaches back the answer is 410
        `cursor-expired`: list again.
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

    def get_renderers(self) -> list[BaseRenderer]:
        return [EventStreamRenderer()]

    @property
    def permission(self) -> str:
        """That of both streams: they have the same events."""
        return streams.PERMISSION

    def _open(self) -> Stream:
        """Take a place for the stream that is asked for, and offer it to the server."""
        if self.scope.projects == ():
            raise PermissionDenied("Events are for the admins of a project.")
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
            offer.take(stream)
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


def _wanted(params: Mapping[str, str]) -> Wanted:
    types, about = _values(params, "type"), _values(params, "subject")
    for text in about:
        if not re.fullmatch(subjects.PATTERN, text):
            raise refuse("subject", "invalid", f"{text!r} is no subject.")
    if not types and not about:
        return EVERYTHING
    return Wanted(frozenset(types), frozenset(about))


def _values(params: Mapping[str, str], name: str) -> list[str]:
    if name not in params:
        return []
    values = values_of(params[name])
    if fault := fault_of(name, values):
        raise ValidationError([fault])
    if any(len(value) > MAX_TEXT for value in values or ()):
        raise refuse(name, "max_length", f"At most {MAX_TEXT} characters.")
    return values or []
