"""Events: what happened, in order."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import about, display, export, filters
from compute.admin.console.about import AboutChangeList, AboutFilter
from compute.admin.console.pages import HistoryAdmin
from compute.models import Event
from compute.models.kinds import KINDS
from compute.search import from_address, named

#: What the types of events begin with.
BEGINNINGS = (
    *KINDS,
    "operation",
    "project",
    "membership",
    "quota",
    "api-token",
    "login",
    "user",
    "group",
    "request",
)


class TypeFilter(admin.SimpleListFilter):
    """By the beginning of a type, or in the address by a whole one: ``vm.drifted``."""

    title = "type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> filters.Choices:
        # Asking the table which types there are would read all of it.
        chosen = request.GET.get("type")
        others = [(chosen, chosen)] if chosen and chosen not in BEGINNINGS else []
        return [*((kind, f"{kind}.*") for kind in BEGINNINGS), *others]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        value, rows = self.value(), queryset
        if value in BEGINNINGS:
            rows = queryset.of_noun(value)
        elif value:
            rows = queryset.filter(type=value)
        found: QuerySet[Any] = rows
        return found


@admin.register(Event)
class EventAdmin(HistoryAdmin[Event]):
    list_display = (
        "type",
        "when",
        "badge",
        "about",
        "what",
        "who",
    )
    list_select_related = ("project",)
    links = (
        "operation__id__exact",
        "project__id__exact",
    )
    list_filter = (
        AboutFilter,
        "outcome",
        TypeFilter,
        filters.ProjectFilter,
        filters.CREATED,
    )
    sortable_by = ("when",)
    exported = {
        **export.of(
            "id", "created_at", "type", "outcome", "subject_kind", "subject_id"
        ),
        "subject": about.name_of("subject"),
        "what": display.summary,
        **export.of("project.name", "actor", "token", "address", "request_id"),
    }
    search_fields = ("type",)
    search_help_text = (
        "A type (vm.drifted), part of the name of what it is about, the beginning of its "
        "id, a request id, an address, or who acted (user:alice)"
    )
    fields = (
        "type",
        "badge",
        "created_on",
        "project",
        "sequence",
        "subject",
        "related",
        "operation",
        "actor",
        "token",
        "address",
        "request",
        "changed",
        "told",
    )

    @admin.display(description="Outcome", ordering="outcome")
    def badge(self, event: Event) -> SafeString:
        return display.badge(event.outcome)

    subject = staticmethod(about.column("subject", "Subject"))
    related = staticmethod(about.column("related", "Related"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AboutChangeList

    @admin.display(description="About")
    def about(self, event: Event) -> SafeString:
        return format_html(
            '{}<div class="quiet">{}</div>',
            # That of the project itself is the line below.
            self.subject(event) if event.subject_id != event.project_id else "",
            event.project or display.NONE,
        )

    @admin.display(description="Who", ordering="actor")
    def who(self, event: Event) -> SafeString:
        token = f"{event.token}…" if event.token else ""
        return format_html(
            '{}<div class="quiet">{}</div><div class="quiet">{}</div>',
            event.actor,
            token,
            event.address or "",
        )

    @admin.display(description="When", ordering="created_at")
    def when(self, event: Event) -> SafeString:
        return format_html(
            '{}<div class="quiet">{}</div>',
            display.ago(event.created_at),
            _request(event, length=len("req-") + 8),
        )

    @admin.display(description="Request")
    def request(self, event: Event) -> SafeString | str:
        return _request(event, length=len(event.request_id))

    @admin.display(description="What")
    def what(self, event: Event) -> str:
        return display.summary(event) or display.NONE

    @admin.display(description="Changes")
    def changed(self, event: Event) -> SafeString | str:
        return display.pretty(event.changes)

    @admin.display(description="Details")
    def told(self, event: Event) -> SafeString | str:
        return display.pretty(event.details)

    def search(self, queryset: QuerySet[Event], text: str) -> QuerySet[Event]:
        exact = Q(type=text) | Q(actor=text) | Q(request_id=text)
        about = named(text, kind="subject_kind", id="subject_id")
        return queryset.filter(exact | from_address(text) | about)


def _request(event: Event, *, length: int) -> SafeString | str:
    """Return the id of its request, as a way to all else that came of it."""
    if not event.request_id:
        return display.NONE
    return format_html(
        '<a href="{}?q={}" title="{}">{}</a>',
        reverse("admin:compute_event_changelist"),
        event.request_id,
        event.request_id,
        display.short(event.request_id, length),
    )
