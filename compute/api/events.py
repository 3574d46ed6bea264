"""Events: /events, the history and the audit trail, newest first."""

from typing import Any

from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.reverse import reverse

from compute.api.http import filters
from compute.api.http.viewset import ResourceViewSet
from compute.errors import PermissionDenied
from compute.models import Event, Outcome
from compute.models.kinds import KINDS


@extend_schema_field({"type": "object", "additionalProperties": True})
class Changes(serializers.DictField):
    """What changed: field -> [before, after]."""


class EventSerializer(serializers.Serializer[Event]):
    """One thing that happened or was refused: CloudEvents 1.0, with who did it."""

    specversion = serializers.CharField(help_text="1.0")
    id = serializers.UUIDField()
    source = serializers.CharField(  # type: ignore[assignment]  # a field, as CloudEvents call it
        help_text="The project's URL, or the API's."
    )
    type = serializers.CharField(help_text="`vm.updated`, `operation.finished`, …")
    subject = serializers.CharField(
        allow_null=True, help_text="`vms/{id}`, `snapshots/{id}`, `operations/{id}`."
    )
    time = serializers.DateTimeField()
    datacontenttype = serializers.CharField()
    sequence = serializers.CharField(
        allow_null=True, help_text="Counts the project's events, without gaps."
    )
    project = serializers.UUIDField(allow_null=True)
    outcome = serializers.ChoiceField(choices=Outcome.choices)
    actor = serializers.CharField(help_text="`user:alice`, `system`, …")
    token = serializers.CharField(
        allow_null=True, help_text="How the API token began with which they came."
    )
    address = serializers.IPAddressField(allow_null=True)
    request_id = serializers.CharField(allow_null=True)
    data = Changes(  # type: ignore[assignment]  # a field, as CloudEvents call it
        help_text="What changed, or why it was refused."
    )

    def to_representation(self, event: Event) -> dict[str, Any]:
        root = reverse("root")
        return {
            "specversion": "1.0",
            "id": event.id,
            "source": f"{root}projects/{event.project_id}"
            if event.project_id
            else root,
            "type": event.type,
            "subject": _subject(event),
            "time": event.created_at,
            "datacontenttype": "application/json",
            "sequence": None if event.sequence is None else f"{event.sequence:012d}",
            "project": event.project_id,
            "outcome": event.outcome,
            "actor": event.actor,
            "token": event.token or None,
            "address": event.address,
            "request_id": event.request_id or None,
            "data": event.data,
        }


def _subject(event: Event) -> str | None:
    if event.subject_id is not None:
        return f"{KINDS[event.subject_kind].plural}/{event.subject_id}"
    return None if event.operation_id is None else f"operations/{event.operation_id}"


class EventFilter(FilterSet):
    type = filters.TextIn(help_text="These types.")
    outcome = filters.ChoiceIn(choices=Outcome.choices, help_text="These outcomes.")
    project = filters.UUIDIn(help_text="Of these projects.")
    vm = filters.About("vm", help_text="About these VMs.")
    operation = filters.UUIDIn(help_text="About these operations.")
    actor = filters.TextIn(help_text="By these: `user:alice`.")
    request_id = filters.TextIn(help_text="Caused by these requests.")
    created_at__gte = filters.Time(field_name="created_at", lookup_expr="gte")
    created_at__lt = filters.Time(field_name="created_at", lookup_expr="lt")


class EventViewSet(ResourceViewSet[Event]):
    """What happened in the projects you administer, refused attempts included."""

    queryset = Event.objects.none()  # its model, for the schema
    noun = "event"
    serializer_class = EventSerializer
    filterset_class = EventFilter
    orderings = ("created_at",)
    cursor_only = True

    def get_queryset(self) -> QuerySet[Event]:
        access = self.access
        if not any(access.may(self.permission, id) for id in [None, *access.grants]):
            raise PermissionDenied("Events are for the admins of a project.")
        return self.visible(Event.objects.all())
