"""Events: /events, the history and the audit trail, newest first."""

from typing import Any

from django.db.models import QuerySet
from rest_framework.request import Request

from compute.access import Scope
from compute.api.http import filters
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.events import EVENT_BODY
from compute.errors import PermissionDenied
from compute.models import Event, Outcome


class EventFilter(filters.CreatedFilterSet):
    type = filters.TextIn(help_text="These types.")
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
    about = "What happened, and what was refused."
    shows = EVENT_BODY
    filterset_class = EventFilter
    orderings = ("created_at",)
    cursor_only = True

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Event]:
        return scope.of(Event.objects.all(), field="project_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.scope.projects == ():
            raise PermissionDenied("Events are for the admins of a project.")
