"""/events/tickets: a way into a stream for who can send no header."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http.fields import NoBody
from compute.api.http.guarded import GuardedView
from compute.bodies.body import TEXT, TIME, Body, Field
from compute.errors import PermissionDenied
from compute.services import streams

TICKET_BODY = Body(
    "StreamTicket",
    "Opens one stream, once, within 60 seconds.",
    # pragma: allowlist nextline secret
    Field("ticket", TEXT, "mJ3xr0yVwqk3nVtGmSg7Yc5Zk1oQ2hE8aLrXfT9uBdI"),
    Field("expires_at", TIME, "2026-11-23T10:01:00Z"),
)


class Tickets(GuardedView):
    """Each is given once, so that no Idempotency-Key brings it back."""

    http_method_names = ("post",)

    @extend_schema(
        operation_id="events_create_ticket",
        tags=["events"],
        request=None,
        responses={201: TICKET_BODY},
    )
    def post(self, request: Request) -> Response:
        """Create a ticket for a stream.

        A browser sends no headers with an `EventSource` or a WebSocket. A ticket in
        the query (`?ticket=`) takes the place of your key: it opens one stream, once,
        within 60 seconds, with the rights of the key. The stream ends with the key.
        """
        NoBody(data=request.data).is_valid(raise_exception=True)
        if self.access.scope("event.list").projects == ():
            raise PermissionDenied("Events are for the admins of a project.")
        text, expires_at = streams.create_ticket(self.access, request.user)  # type: ignore[arg-type]  # authenticated by now
        ticket = {"ticket": text, "expires_at": expires_at}
        headers = {"Cache-Control": "no-store"}
        return Response(TICKET_BODY.show(ticket), status=201, headers=headers)
