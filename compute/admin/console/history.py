"""What a page shows of the past, and of what is under way."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from compute.admin.console import display
from compute.admin.console.about import query_of
from compute.admin.console.display import page_url
from compute.admin.console.operators import may
from compute.engine import runner
from compute.models import Event, Operation, Project, subjects
from compute.models.owned import CloudResource, Owned

#: How much of a history a page shows; the rest is one click away.
RECENT_OPERATIONS = 20
RECENT_EVENTS = 50


def duration(operation: Operation) -> str:
    """Return how long an operation took."""
    if operation.finished_at is None:
        return display.NONE
    return f"{(operation.finished_at - operation.created_at).total_seconds():.1f} s"


class OperationLine:
    """One row in the table of operations on a page."""

    def __init__(self, operation: Operation, target: Model | None = None) -> None:
        self.operation = operation
        #: What it is about, where that is to be named.
        self.target = target
        self.target_url = page_url(target) if target else ""
        self.badge = display.badge(operation.status)
        self.created = display.ago(operation.created_at)
        self.duration = duration(operation)


class LiveLine(OperationLine):
    """An operation under way, and whether who looks at it can cancel it."""

    def __init__(self, request: HttpRequest, operation: Operation) -> None:
        super().__init__(operation)
        self.can_cancel = runner.is_cancellable(operation) and may(
            request, "operation.cancel"
        )


class EventLine:
    """One entry of a timeline."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.created = display.ago(event.created_at)
        self.summary = display.summary(event)


@dataclass(slots=True)
class History:
    """The newest operations and events of a row; ``None``: not for who asks."""

    operations: list[OperationLine] | None = None
    operations_url: str = ""
    #: Whether the operations are about more than the one row.
    names_targets: bool = False
    events: list[EventLine] | None = None
    events_url: str = ""


def history(
    request: HttpRequest,
    target: Model,
    *,
    operations: int = RECENT_OPERATIONS,
    events: int = RECENT_EVENTS,
) -> History:
    """Return what an operator may see of the past of a row, the newest so many."""
    past = History(names_targets=isinstance(target, Project))
    told, done = Event.objects.all(), Operation.objects.all()
    if isinstance(target, Owned):
        query = query_of(target)
        told = told.about(target.kind, target.pk)
        done = done.about(target.kind, target.pk)
    else:
        name = str(target._meta.model_name)
        query = f"?{name}__id__exact={target.pk}"
        told = told.filter(**{name: target})
    if events and may(request, "event.list"):
        newest = told.order_by("-sequence")[:events]
        past.events = [EventLine(event) for event in newest]
        past.events_url = reverse("admin:compute_event_changelist") + query
    has_operations = isinstance(target, CloudResource | Project)
    if operations and has_operations and may(request, "operation.list"):
        targets: Mapping[UUID | None, Model] = {}
        if isinstance(target, Project):
            done = done.filter(project=target)
        recent = list(done.order_by("-created_at")[:operations])
        if past.names_targets:
            targets = subjects.find_all(
                (row.target_kind, row.target_id) for row in recent
            )
        past.operations = [
            OperationLine(row, targets.get(row.target_id)) for row in recent
        ]
        past.operations_url = reverse("admin:compute_operation_changelist") + query
    return past
