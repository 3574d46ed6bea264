"""Events: /events, the history and the audit trail: newest first, or from a cursor on."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Scope
from compute.api.following import AFTER, follow
from compute.api.http import filters
from compute.api.http.parameters import refuse
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.events import EVENT_BODY
from compute.errors import PermissionDenied
from compute.models import Event, Outcome, subjects

#: With these a list does not begin with the newest events.
OLDER = frozenset({"after", "cursor", "ordering"})
#: With no others than these a stream has what the list has.
STREAMED = frozenset({"project", "type", "subject", "per_page", "format"})


class Type(filters.TextIn):
    """Types as they are, or all that begin as one that ends in `.*` does.

    No index finds a beginning, so these are for who follows: that looks at few events.
    """

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if not value:
            return qs
        beginnings = [text.removesuffix("*") for text in value if text.endswith(".*")]
        filterset: Any = getattr(self, "parent", None)  # set by django-filter
        if beginnings and "after" not in filterset.data:
            raise refuse("type", "invalid", "Beginnings (`vm.*`) go with after only.")
        wanted = Q(type__in=value)
        for beginning in beginnings:
            wanted |= Q(type__startswith=beginning)
        return qs.filter(wanted)


@extend_schema_field({"type": "string", "pattern": f"^({subjects.PATTERN})$"})
class Subject(filters.TextIn):
    """What the body of an event has as its subject."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if not value:
            return qs
        wanted = Q()
        for text in value:
            subject = subjects.read(text)
            if subject is None:
                raise refuse("subject", "invalid", f"{text!r} is no subject.")
            kind, id, name = subject
            wanted |= Q(subject_kind=kind, subject_id=id, subject_name=name)
        return qs.filter(wanted)


class EventFilter(filters.CreatedFilterSet):
    type = Type(help_text="These types; with `after`, `vm.*` is all of VMs.")
    subject = Subject(help_text="About these subjects, such as `vms/{id}`.")
    outcome = filters.ChoiceIn(Outcome, help_text="These outcomes.")
    project = filters.UUIDIn(help_text="In these projects.")
    vm = filters.About("vm", help_text="About these VMs.")
    operation = filters.UUIDIn(help_text="About these operations.")
    actor = filters.TextIn(help_text="By these actors, such as `user:alice`.")
    request_id = filters.TextIn(help_text="Caused by these requests.")


class EventViewSet(ResourceViewSet[Event]):
    """What happened in the projects you administer, refused attempts included."""

    queryset = Event.objects.none()  # its model, for the schema
    noun = "event"
    about = (
        "What happened, and what was refused: as a list, or followed by long polls, "
        "server-sent events or a WebSocket."
    )
    shows = EVENT_BODY
    filterset_class = EventFilter
    orderings = ("created_at",)
    cursor_only = True
    query_parameters = {"list": (AFTER,)}
    long_polls = frozenset({"list"})
    more_problems = {"list": (410,)}

    def policy_of(self, request: Request) -> str:
        # Who follows by asking must not use up what all other requests share.
        return "poll" if "after" in request.query_params else "default"

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List them, newest first; with `after` oldest first, from there on."""
        if "after" in request.query_params:
            return follow(self, self.rows())
        return super().list(request, *args, **kwargs)

    def page_extras(self, data: Any) -> dict[str, Any]:
        """Have the page of one project's newest events show the next ones, too."""
        extras = super().page_extras(data)
        cursor = self.response.headers.get("Event-Cursor")
        asked = self.request.query_params.keys()
        if self.action == "list" and cursor and not asked & OLDER:
            streams = "false" if asked - STREAMED else "true"
            extras["follow"] = {"cursor": cursor, "streams": streams}
        return extras

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Event]:
        return scope.of(Event.objects.all(), field="project_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.scope.projects == ():
            raise PermissionDenied("Events are for the admins of a project.")
