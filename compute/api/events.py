"""Events: /events, the history and the audit trail: newest first, or from a cursor on."""

import re
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Scope
from compute.api.following import AFTER, follow
from compute.api.http import filters
from compute.api.http.fields import UUID_TEXT
from compute.api.http.parameters import refuse
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.events import EVENT_BODY
from compute.errors import PermissionDenied
from compute.models import Event, Outcome
from compute.models.kinds import KINDS

#: The first part of a subject -> the kind of things that it names.
SUBJECTS = {kind.plural: slug for slug, kind in KINDS.items()} | {"operations": ""}


#: What a body has as its subject.
SUBJECT_PATTERN = f"^({'|'.join(SUBJECTS)})/{UUID_TEXT}$"


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


@extend_schema_field({"type": "string", "pattern": SUBJECT_PATTERN})
class Subject(filters.TextIn):
    """What the body of an event has as its subject."""

    def filter(self, qs: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if not value:
            return qs
        wanted = Q()
        for text in value:
            plural, _, id = text.partition("/")
            if plural not in SUBJECTS or not re.fullmatch(UUID_TEXT, id):
                raise refuse("subject", "invalid", f"{text!r} is no subject.")
            if plural == "operations":
                wanted |= Q(subject_id=None, operation_id=UUID(id))
            else:
                wanted |= Q(subject_kind=SUBJECTS[plural], subject_id=UUID(id))
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
    about = "What happened, and what was refused."
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

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Event]:
        return scope.of(Event.objects.all(), field="project_id")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.scope.projects == ():
            raise PermissionDenied("Events are for the admins of a project.")
