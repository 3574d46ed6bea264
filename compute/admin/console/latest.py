"""The newest events of all projects, and disabled webhooks, on the start page."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.safestring import SafeString

from compute.admin.console import about, display
from compute.admin.console.operators import may
from compute.models import Event, Outcome, Webhook, subjects

SHOWN = 10

_subject = about.column("subject", "Subject")


@dataclass(frozen=True, slots=True)
class Line:
    event: Event
    subject: SafeString | str
    created: SafeString | str
    #: Where it is not what one expects.
    badge: SafeString | str


def events(request: HttpRequest) -> dict[str, Any]:
    """Return what an operator may see of all projects, by template variable."""
    webhooks = Webhook.objects.disabled_by_failures()
    return {
        "latest": _latest() if may(request, "event.list") else None,
        "disabled_webhooks": webhooks.count() if may(request, "webhook.list") else None,
    }


def _latest() -> list[Line]:
    newest = Event.objects.select_related("project").order_by("-created_at", "-id")
    events = list(newest[:SHOWN])
    things = subjects.find_all((one.subject_kind, one.subject_id) for one in events)
    return [_line(event, things) for event in events]


def _line(event: Event, things: object) -> Line:
    event.things = things  # type: ignore[attr-defined]  # as a list of the console has them
    went_well = event.outcome == Outcome.SUCCEEDED
    badge = "" if went_well else display.badge(event.outcome)
    return Line(event, _subject(event), display.ago(event.created_at), badge)
