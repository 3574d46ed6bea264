"""Operations: what was asked of a cloud, and what became of it."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import DatabaseError
from django.db.models import QuerySet
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse

from compute.access import Scope
from compute.api.http import filters
from compute.api.http.fields import NoBody
from compute.api.http.idempotency import key_of
from compute.api.http.prefer import POLL_AFTER, long_poll
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.operations import OPERATION_BODY
from compute.engine import once, runner
from compute.models import Operation, OperationStatus, OperationType
from compute.models.kinds import TARGETS


class Target(filters.UUIDIn):
    """The VM or snapshot an operation is about."""

    def filter(self, qs: QuerySet[Any], value: list[Any] | None) -> QuerySet[Any]:
        if not value:
            return qs
        return qs.filter(target_kind__in=TARGETS, target_id__in=value)


class OperationFilter(filters.CreatedFilterSet):
    id = filters.UUIDIn(help_text="These ids.")
    target = Target(field_name="id", help_text="About these VMs or snapshots.")
    vm = filters.About("vm", help_text="Occupying these VMs, snapshots included.")
    status = filters.ChoiceIn(OperationStatus, help_text="These statuses.")
    type = filters.ChoiceIn(OperationType, help_text="These types.")
    project = filters.UUIDIn(help_text="These projects.")


class OperationViewSet(ResourceViewSet[Operation]):
    """Operations."""

    queryset = Operation.objects.none()  # its model, for the schema
    noun = "operation"
    about = "Work requested from a cloud, and how it ended."
    is_in_navigation = True
    long_polls = frozenset({"retrieve"})
    shows = OPERATION_BODY
    filterset_class = OperationFilter
    orderings = ("created_at",)
    counts_are_kept = True
    bodies = {"cancel": NoBody}

    def policy_of(self, request: Request) -> str:
        # Who waits by asking must not use up what all other requests share.
        return "poll" if request.method in ("GET", "HEAD") else "default"

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Operation]:
        return scope.of(Operation.objects.all(), field="project_id")

    def retrieve(self, request: Request, id: Any) -> Response:
        """Return one; `Prefer: wait=N` answers when it has ended."""
        found = self.get_object()

        def answer(applied: str | None) -> Response:
            operation = found if applied is None else self.get_object()
            return self.with_poll_headers(self.item(operation), operation, applied)

        return long_poll(self, found, answer)

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
        """Cancel it, if the cloud still can. What was already built is removed."""
        found = self.get_object()
        self.body()
        operation = self.cancel_once(found)

        def answer(applied: str | None) -> Response:
            # It is cancelled: who may no longer see it, or a database that is away,
            # does not make that an error.
            with suppress(DatabaseError):
                operation.refresh_from_db()
            response = self.item(operation, status=202 if operation.is_live else 200)
            response.headers["Operation-Location"] = self.url("operation", operation.pk)
            return self.with_poll_headers(response, operation, applied)

        default = settings.API_DEFAULT_WAIT_SECONDS
        return long_poll(self, operation, answer, default=default)

    def cancel_once(self, found: Operation) -> Operation:
        """Cancel, unless a request with the same key did."""
        key = key_of(self.request, self.actor, project_id=found.project_id)
        try:
            with once.claim(key) as claim:
                operation = runner.cancel(found, actor=self.actor, expect=self.expect)
                claim.remember(operation_id=operation.pk)
        except once.Replayed as first:
            self.headers["Idempotent-Replayed"] = "true"
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
