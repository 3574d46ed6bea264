"""What a page shows of the past, and of what is under way."""

from dataclasses import dataclass

from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse

from compute.admin.console import display
from compute.admin.console.display import page_url
from compute.admin.console.operators import may
from compute.engine import runner
from compute.models import Event, Operation, Project

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

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self.badge = display.badge(operation.status)
        self.created = display.ago(operation.created_at)
        self.duration = duration(operation)

    @property
    def target(self) -> Model | None:
        """What it is about; two queries unless they are joined."""
        if self.operation.target_type == "vm":
            return self.operation.vm
        return self.operation.snapshot

    @property
    def target_url(self) -> str:
        return page_url(self.target) if self.target else ""


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
        self.summary = display.summary(event.data)


@dataclass(slots=True)
class History:
    """The newest operations and events of a row; ``None``: not for who asks."""

    operations: list[OperationLine] | None = None
    operations_url: str = ""
    #: Whether the operations are about more than the one row.
    names_targets: bool = False
    events: list[EventLine] | None = None
    events_url: str = ""


def history(request: HttpRequest, target: Model) -> History:
    """Return what an operator may see of the past of a row."""
    shown = History(names_targets=isinstance(target, Project))
    about = {str(target._meta.model_name): target}
    query = f"?{target._meta.model_name}__id__exact={target.pk}"
    if may(request, "event.list"):
        events = Event.objects.filter(**about).order_by("-sequence")
        shown.events = [EventLine(event) for event in events[:RECENT_EVENTS]]
        shown.events_url = reverse("admin:compute_event_changelist") + query
    if not isinstance(target, Operation) and may(request, "operation.list"):
        operations = Operation.objects.filter(**about).order_by("-created_at")
        if shown.names_targets:
            operations = operations.select_related("vm", "snapshot")
        shown.operations = [
            OperationLine(operation) for operation in operations[:RECENT_OPERATIONS]
        ]
        shown.operations_url = reverse("admin:compute_operation_changelist") + query
    return shown
