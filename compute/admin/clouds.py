"""Clouds: whether each of their services answers, and when it last did."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from compute.admin.console import display, export
from compute.admin.console.health import health_tag
from compute.admin.console.pages import HistoryAdmin, Page
from compute.models import Cloud, CloudService
from compute.models.cloud import COMPUTE


class ServiceLine:
    """One row in the table of a cloud's services."""

    def __init__(self, row: CloudService) -> None:
        self.row = row
        self.health = health_tag(row)
        self.last_answer = display.ago(row.observed_at)
        self.last_full_sync = display.ago(row.full_observed_at)
        self.next_sync = display.ago(row.next_pass_at)
        self.sync_takes = _milliseconds(row.pass_seconds)
        self.full_sync_takes = _milliseconds(row.full_pass_seconds)
        self.failed = display.ago(row.last_error_at)


@admin.register(Cloud)
class CloudAdmin(HistoryAdmin[Cloud]):
    list_display = (
        "alias",
        "health",
        "last_answer",
        "last_full_sync",
        "sync_takes",
        display.ago_column("catalog_refreshed_at", "Catalogue"),
        "servers_seen",
        "api_calls",
        "last_error",
    )
    search_fields = ("alias",)
    exported = export.of("alias", "calls", "catalog_refreshed_at")
    fields = ("alias", "api_calls", "refreshed_on")

    api_calls = staticmethod(display.plain_field("calls", "API calls"))
    refreshed_on = staticmethod(
        display.exact_field("catalog_refreshed_at", "Catalogue refreshed")
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Cloud]:
        return super().get_queryset(request).prefetch_related("services")

    def search(self, queryset: QuerySet[Cloud], text: str) -> QuerySet[Cloud]:
        return queryset.filter(alias__icontains=text)

    @admin.display(description="Services")
    def health(self, cloud: Cloud) -> SafeString:
        rows = cloud.services.all()
        if not rows:
            return display.tag("off", "never observed")
        return format_html_join(
            " ", "{}: {}", ((row.service, health_tag(row)) for row in rows)
        )

    @admin.display(description="Last answer")
    def last_answer(self, cloud: Cloud) -> SafeString | str:
        row = _compute(cloud)
        return display.ago(row.observed_at if row else None)

    @admin.display(description="Last full sync")
    def last_full_sync(self, cloud: Cloud) -> SafeString | str:
        row = _compute(cloud)
        return display.ago(row.full_observed_at if row else None)

    @admin.display(description="Sync takes")
    def sync_takes(self, cloud: Cloud) -> str:
        row = _compute(cloud)
        return _milliseconds(row.pass_seconds if row else None)

    @admin.display(description="Servers seen")
    def servers_seen(self, cloud: Cloud) -> int | None:
        row = _compute(cloud)
        return row.seen if row else None

    @admin.display(description="Last error")
    def last_error(self, cloud: Cloud) -> str:
        failing = (row for row in cloud.services.all() if row.failures)
        return "; ".join(row.last_error for row in failing) or display.NONE

    def page(self, request: HttpRequest, cloud: Cloud) -> Page:
        lines = [ServiceLine(row) for row in cloud.services.all()]
        template = "admin/compute/includes/services.html"
        return Page(extra=render_to_string(template, {"lines": lines}) if lines else "")


def _compute(cloud: Cloud) -> CloudService | None:
    return next((row for row in cloud.services.all() if row.service == COMPUTE), None)


def _milliseconds(seconds: float | None) -> str:
    return display.NONE if seconds is None else f"{seconds * 1000:.0f} ms"
