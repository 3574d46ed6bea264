"""The newest events of all projects, beside the start page; they come again by script."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from compute.admin.console import about, display
from compute.admin.console.operators import may, require
from compute.models import Event, Outcome, Webhook, subjects

SHOWN = 10
PERMISSION, WEBHOOKS = "event.list", "webhook.list"

_subject = about.column("subject", "Subject")


@dataclass(frozen=True, slots=True)
class Line:
    event: Event
    subject: SafeString | str
    created: SafeString | str
    #: Where it is not what one expects.
    badge: SafeString | str


def overview(request: HttpRequest) -> dict[str, Any]:
    """Return what an operator may see of all projects, by template variable."""
    sees = may(request, PERMISSION), may(request, WEBHOOKS)
    return {
        "latest": _latest() if sees[0] else None,
        "disabled_webhooks": Webhook.objects.disabled_by_failures().count()
        if sees[1]
        else 0,
    }


def _latest() -> list[Line]:
    newest = Event.objects.select_related("project").order_by("-created_at", "-id")
    events = list(newest[:SHOWN])
    things = subjects.find_all((one.subject_kind, one.subject_id) for one in events)
    return [_line(event, things) for event in events]


def view(request: HttpRequest) -> HttpResponse:
    """Answer with the list alone."""
    require(request, PERMISSION)
    return render(request, "admin/compute/latest.html", overview(request))


def _line(event: Event, things: object) -> Line:
    event.things = things  # type: ignore[attr-defined]  # as a list of the console has them
    went_well = event.outcome == Outcome.SUCCEEDED
    badge = "" if went_well else display.badge(event.outcome)
    return Line(event, _subject(event), display.ago(event.created_at), badge)
