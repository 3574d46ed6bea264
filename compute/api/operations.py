"""Operations: what was asked of a cloud, and what became of it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet
from django_filters.rest_framework import FilterSet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.api.http import filters, idempotency, waiting
from compute.api.http.fields import Body, NoBody
from compute.api.http.viewset import POLL_AFTER, ResourceViewSet, operation_error
from compute.engine import once, runner
from compute.models import Operation, OperationStatus, OperationType
from compute.models.kinds import KINDS


class TargetSerializer(serializers.Serializer[Any]):
    type = serializers.ChoiceField(choices=list(KINDS))
    id = serializers.UUIDField()


class OperationSerializer(serializers.Serializer[Operation]):
    """One requested piece of work."""

    id = serializers.UUIDField()
    type = serializers.ChoiceField(choices=OperationType.choices)
    status = serializers.ChoiceField(choices=OperationStatus.choices)
    progress = serializers.IntegerField(
        min_value=0, max_value=100, help_text="Percent."
    )
    step = serializers.CharField(help_text="What is being done, for people.")
    target = TargetSerializer()
    error = serializers.SerializerMethodField(
        help_text="The problem a call that waited would have got."
    )
    project = serializers.UUIDField()
    cloud = serializers.CharField()
    requested_by = serializers.CharField()
    request_id = serializers.CharField()
    cancellable = serializers.BooleanField(
        help_text="Whether a cancel would be accepted now."
    )
    cancel_requested = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)

    @extend_schema_field(
        {"oneOf": [{"$ref": "#/components/schemas/Problem"}, {"type": "null"}]}
    )
    def get_error(self, operation: Operation) -> dict[str, Any] | None:
        if operation.status in (OperationStatus.FAILED, OperationStatus.CANCELLED):
            return operation_error(operation, self.context["request"])
        return None

    def to_representation(self, operation: Operation) -> dict[str, Any]:
        return {
            "id": operation.id,
            "type": operation.type,
            "status": operation.status,
            "progress": operation.progress,
            "step": operation.step,
            "target": {"type": operation.target_kind, "id": operation.target_id},
            "error": self.get_error(operation),
            "project": operation.project_id,
            "cloud": operation.cloud,
            "requested_by": operation.requested_by,
            "request_id": operation.request_id,
            "cancellable": runner.is_cancellable(operation),
            "cancel_requested": operation.cancel_requested,
            "created_at": operation.created_at,
            "started_at": operation.started_at,
            "finished_at": operation.finished_at,
        }


class Target(filters.UUIDIn):
    """The VM or snapshot an operation is about."""

    def filter(self, qs: QuerySet[Any], value: list[Any] | None) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(target_kind__in=KINDS, target_id__in=value)


class OperationFilter(FilterSet):
    id = filters.UUIDIn(help_text="These ids.")
    target = Target(field_name="id", help_text="About these VMs or snapshots.")
    vm = filters.About("vm", help_text="Occupying these VMs, snapshots included.")
    status = filters.ChoiceIn(
        choices=OperationStatus.choices, help_text="These statuses."
    )
    type = filters.ChoiceIn(choices=OperationType.choices, help_text="These types.")
    project = filters.UUIDIn(help_text="These projects.")
    created_at__gte = filters.Time(field_name="created_at", lookup_expr="gte")
    created_at__lt = filters.Time(field_name="created_at", lookup_expr="lt")


class OperationViewSet(ResourceViewSet[Operation]):
    """Operations."""

    queryset = Operation.objects.none()  # its model, for the schema
    noun = "operation"
    serializer_class = OperationSerializer
    filterset_class = OperationFilter
    orderings = ("created_at",)
    bodies: ClassVar[Mapping[str, type[Body]]] = {"cancel": NoBody}

    def policy_of(self, request: Request) -> str:
        # Who waits by asking must not use up what all other requests share.
        return "poll" if request.method in ("GET", "HEAD") else "default"

    def get_queryset(self) -> QuerySet[Operation]:
        return self.visible(Operation.objects.all())

    def retrieve(self, request: Request, id: Any) -> Response:
        """Return one; `Prefer: wait=N` answers when it has ended."""
        operation = self.get_object()
        applied = waiting.long_poll(request, operation)
        if applied is not None:
            operation = self.get_object()
        return self.with_poll_headers(self.item(operation), operation, applied)

    def page_extras(self, data: Any) -> dict[str, Any]:
        extras = super().page_extras(data)
        if data.get("cancellable"):
            url = reverse("operation-cancel", kwargs={"id": data["id"]})
            extras["action_forms"] = [{"name": "cancel", "url": url, "fields": ""}]
        return extras

    def related(self, data: Any) -> Sequence[tuple[str, str]]:
        if "target" not in data:
            return []
        target = data["target"]
        return [(f"Its {target['type']}", self.url(target["type"], target["id"]))]

    @action(detail=True, methods=["post"], url_path="actions/cancel")
    def cancel(self, request: Request, id: Any) -> Response:
        """Stop it, as far as the cloud can: what was built is removed again."""
        found = self.get_object()
        self.body()
        operation = self.cancel_once(found)
        applied = waiting.long_poll(
            request, operation, default=settings.API_DEFAULT_WAIT_SECONDS
        )
        # It is cancelled: who may no longer see it, or a database that is away, does
        # not make that an error.
        with suppress(DatabaseError):
            operation.refresh_from_db()
        response = self.item(operation, status=202 if operation.is_live else 200)
        response.headers["Operation-Location"] = self.url("operation", operation.pk)
        return self.with_poll_headers(response, operation, applied)

    def cancel_once(self, found: Operation) -> Operation:
        """Cancel, unless a request with the same key did."""
        actor = self.actor
        key = idempotency.key_of(self.request, actor, project_id=found.project_id)
        cancel = partial(runner.cancel, found, actor=actor, expect=self.expect)
        try:
            operation: Operation = once.start(key, cancel, attrgetter("pk"))
        except once.Replayed as first:
            self.note_replay()
            operation = first.operation
        return operation

    def with_poll_headers(
        self, response: Response, operation: Operation, applied: str | None
    ) -> Response:
        if operation.is_live:
            response.headers["Retry-After"] = POLL_AFTER
        if applied is not None:
            response.headers["Preference-Applied"] = applied
        return response
