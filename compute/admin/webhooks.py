"""Webhooks and their deliveries: failures in the open, and what to do about them.

Nothing here shows a secret: those are the project's own.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import admin, messages
from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import display, export, filters
from compute.admin.console.display import api_url, page_url
from compute.admin.console.history import history
from compute.admin.console.operators import actor_of, may, refused
from compute.admin.console.pages import Button, HistoryAdmin, Link, Page, Table
from compute.errors import Problem
from compute.models import Delivery, DeliveryStatus, Webhook
from compute.search import id_prefix
from compute.services import webhooks

#: Deliveries on the page of a webhook; the list has the others.
SHOWN = 20
_TONES: Mapping[str, str] = {
    DeliveryStatus.PENDING: "busy",
    DeliveryStatus.SUCCEEDED: "good",
    DeliveryStatus.FAILED: "bad",
}
_COLUMNS = ("Event", "Status", "Attempts", "Last answer", "Next attempt", "Created")


def _answer(status: int | None, error: str) -> str:
    return error or (display.NONE if status is None else str(status))


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin[Delivery]):
    commands = {"redeliver": "webhook-delivery.redeliver"}
    list_display = (
        "event",
        "state",
        "webhook",
        "attempts",
        "answered",
        "next_attempt",
        "created",
    )
    list_select_related = ("webhook",)
    exported = export.of(
        *("id", "event_type", "event_id", "status", "webhook.name", "attempts"),
        *("answer_status", "error", "created_at", "ended_at"),
    )
    list_filter = (filters.StatusFilter, filters.CREATED)
    links = ("webhook__id__exact",)
    search_fields = ("event_type",)
    search_help_text = (
        "The type of its event, or the beginning of the id, or of the event's"
    )
    fields = (
        "id",
        "webhook_page",
        "event_id",
        "event_type",
        "sequence",
        "state",
        "attempts",
        "attempted_on",
        "answered",
        "excerpt",
        "next_attempt",
        "created_on",
        "ended_on",
    )

    attempted_on = staticmethod(display.exact_field("attempted_at", "Last attempt"))
    ended_on = staticmethod(display.exact_field("ended_at", "Ended"))
    next_attempt = staticmethod(display.ago_column("next_attempt_at", "Next attempt"))
    excerpt = staticmethod(display.plain_field("answer_excerpt", "What it said"))
    webhook_page = staticmethod(display.link_column("webhook", "Webhook"))

    @admin.display(description="Event", ordering="event_type")
    def event(self, delivery: Delivery) -> str:
        return str(delivery)

    @admin.display(description="Status", ordering="status")
    def state(self, delivery: Delivery) -> SafeString:
        return display.tag(_TONES[delivery.status], delivery.status)

    @admin.display(description="Last answer")
    def answered(self, delivery: Delivery) -> str:
        return _answer(delivery.answer_status, delivery.error)

    def search(self, queryset: QuerySet[Delivery], text: str) -> QuerySet[Delivery]:
        event = id_prefix(text, field="event_id")
        return queryset.filter(Q(event_type=text) | id_prefix(text) | event)

    def page(self, request: HttpRequest, delivery: Delivery) -> Page:
        buttons = []
        if may(request, self.commands["redeliver"]):
            url = self.command_url(delivery, "redeliver")
            note = "" if delivery.webhook.enabled else "The webhook is paused."
            buttons.append(
                Button(label="Redeliver", url=url, note=note, can_send=not note)
            )
        return Page(
            links=[Link("Its webhook", page_url(delivery.webhook))],
            facts=format_html("{} {}", self.state(delivery), self.answered(delivery)),
            buttons=buttons,
        )

    def command(
        self, request: HttpRequest, delivery: Delivery, name: str
    ) -> HttpResponse:
        """Send it again, under the same id."""
        _perform(
            request,
            delivery.webhook,
            lambda: webhooks.redeliver(delivery, actor=actor_of(request)),
            f"{delivery} is sent again.",
        )
        return redirect(page_url(delivery))


class WebhookStateFilter(admin.SimpleListFilter):
    """By what operators look for: those that do not work."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [
            ("enabled", "enabled"),
            ("failing", "failing"),
            ("paused", "paused"),
            ("disabled", "disabled by failures"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        match self.value():
            case "enabled":
                return queryset.filter(enabled=True)
            case "failing":
                return queryset.filter(enabled=True, failing_since__isnull=False)
            case "paused":
                return queryset.filter(enabled=False, disabled_at=None)
            case "disabled":
                return queryset.filter(disabled_at__isnull=False)
        return queryset


@admin.register(Webhook)
class WebhookAdmin(HistoryAdmin[Webhook]):
    commands = {
        "pause": "webhook.update",
        "resume": "webhook.update",
        "test": "webhook.test",
    }
    list_display = (
        "name",
        "state",
        "url",
        "last_answer",
        "next_attempt",
        "project",
        "created",
    )
    list_select_related = ("project",)
    # Never the secrets.
    exported = export.of(
        *("id", "name", "url", "enabled", "disabled_reason", "project.name"),
        *("created_at", "deleted_at"),
    )
    list_filter = (
        WebhookStateFilter,
        filters.ProjectFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    links = ("project__id__exact",)
    search_fields = ("name",)
    search_help_text = "Part of the name or of the URL, or the beginning of the id"
    # Named one by one: the secrets are on no page.
    fields = (
        "id",
        "name",
        "project_page",
        "url",
        "types",
        "label_selector",
        "labels",
        "failing_on",
        "resting_on",
        "disabled_on",
        "disabled_reason",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    failing_on = staticmethod(display.exact_field("failing_since", "Failing since"))
    resting_on = staticmethod(
        display.exact_field("resting_until", "The receiver asked for a pause until")
    )
    disabled_on = staticmethod(display.exact_field("disabled_at", "Disabled"))
    next_attempt = staticmethod(display.ago_column("next_attempt_at", "Next attempt"))

    def get_queryset(self, request: HttpRequest) -> QuerySet[Webhook]:
        of_it = Delivery.objects.filter(webhook=OuterRef("pk"))
        tried = of_it.filter(attempted_at__isnull=False)
        last = tried.order_by(F("attempted_at").desc())
        due = of_it.filter(status=DeliveryStatus.PENDING).order_by("next_attempt_at")
        rows = super().get_queryset(request).select_related("project")
        return rows.annotate(
            next_attempt_at=Subquery(due.values("next_attempt_at")[:1]),
            answer_status=Subquery(last.values("answer_status")[:1]),
            answer_error=Subquery(last.values("error")[:1]),
        )

    @admin.display(description="State", ordering="enabled")
    def state(self, webhook: Webhook) -> SafeString:
        if webhook.disabled_at:
            return display.tag("bad", "DISABLED")
        if not webhook.enabled:
            return display.tag("aside", "PAUSED")
        if webhook.failing_since:
            return display.tag("bad", "FAILING")
        return display.tag("good", "ENABLED")

    @admin.display(description="Last answer")
    def last_answer(self, webhook: Any) -> str:
        return _answer(webhook.answer_status, webhook.answer_error or "")

    @admin.display(description="Event types")
    def types(self, webhook: Webhook) -> str:
        return ", ".join(webhook.event_types) or "all"

    def search(self, queryset: QuerySet[Webhook], text: str) -> QuerySet[Webhook]:
        named = Q(name__icontains=text) | Q(url__icontains=text)
        return queryset.filter(named | id_prefix(text))

    def page(self, request: HttpRequest, webhook: Webhook) -> Page:
        return Page(
            links=[Link("In the API", api_url(webhook))],
            facts=format_html("{} {}", self.state(webhook), webhook.url),
            is_deleted=webhook.deleted_at is not None,
            buttons=() if webhook.deleted_at else self._buttons(request, webhook),
            notes=[webhook.disabled_reason] if webhook.disabled_reason else [],
            tables=self._deliveries(request, webhook),
            history=history(request, webhook),
        )

    def _buttons(self, request: HttpRequest, webhook: Webhook) -> list[Button]:
        names = ("test", "pause") if webhook.enabled else ("resume",)
        return [
            Button(label=name.capitalize(), url=self.command_url(webhook, name))
            for name in names
            if may(request, self.commands[name])
        ]

    def _deliveries(self, request: HttpRequest, webhook: Webhook) -> list[Table]:
        if not may(request, "webhook-delivery.list"):
            return []
        newest = webhook.deliveries.order_by("-created_at", "-id")[:SHOWN]
        return [
            Table(
                title="Deliveries",
                columns=_COLUMNS,
                rows=[
                    (
                        display.link(delivery),
                        display.tag(_TONES[delivery.status], delivery.status),
                        str(delivery.attempts),
                        _answer(delivery.answer_status, delivery.error),
                        display.ago(delivery.next_attempt_at),
                        display.ago(delivery.created_at),
                    )
                    for delivery in newest
                ],
                nothing="Nothing was sent yet.",
                note=f"The newest {SHOWN}." if len(newest) == SHOWN else "",
            )
        ]

    def command(
        self, request: HttpRequest, webhook: Webhook, name: str
    ) -> HttpResponse:
        """Send a test, or have it pause or go on."""
        actor = actor_of(request)
        if webhook.deleted_at is not None:
            messages.warning(request, f"The webhook {webhook} is gone.")
        elif name == "test":
            _perform(
                request,
                webhook,
                lambda: webhooks.send_test(webhook, actor=actor),
                f"A test is sent to {webhook}.",
            )
        else:
            changes = {"enabled": name == "resume"}
            _perform(
                request,
                webhook,
                lambda: webhooks.update(webhook, actor=actor, changes=changes),
                f"{webhook} {'goes on' if name == 'resume' else 'is paused'}.",
            )
        return redirect(page_url(webhook))


def _perform(
    request: HttpRequest, webhook: Webhook, service: Callable[[], object], done: str
) -> None:
    try:
        service()
    except Problem as problem:
        project_id = webhook.project_id
        reason = refused(request, problem, project_id=project_id, target=webhook)
        messages.error(request, reason)
    else:
        messages.success(request, done)
