"""Clouds: whether each one answers, and when it last did."""

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from compute.admin.console import display
from compute.admin.console.pages import HistoryAdmin
from compute.models import Cloud


@admin.register(Cloud)
class CloudAdmin(HistoryAdmin[Cloud]):
    list_display = (
        "alias",
        "health",
        display.ago_column("observed_at", "Observed"),
        display.ago_column("full_observed_at", "In full"),
        display.ago_column("catalog_refreshed_at", "Catalogue"),
        "servers_seen",
        "pass_took",
        "calls",
        "last_error",
    )
    search_fields = ("alias",)
    fields = (
        "alias",
        "health",
        "observed_at",
        "full_observed_at",
        "next_pass_at",
        "pass_took",
        "full_pass_took",
        "passes",
        "calls",
        "servers_seen",
        "catalog_refreshed_at",
        "failures",
        "last_error",
        "last_error_at",
    )

    def search(self, queryset: QuerySet[Cloud], text: str) -> QuerySet[Cloud]:
        return queryset.filter(alias__icontains=text)

    @admin.display(description="Health", ordering="failures")
    def health(self, cloud: Cloud) -> SafeString:
        return display.tag(*_health(cloud))

    @admin.display(description="A pass takes", ordering="pass_seconds")
    def pass_took(self, cloud: Cloud) -> str:
        return _milliseconds(cloud.pass_seconds)

    @admin.display(description="A full pass takes", ordering="full_pass_seconds")
    def full_pass_took(self, cloud: Cloud) -> str:
        return _milliseconds(cloud.full_pass_seconds)


def _milliseconds(seconds: float | None) -> str:
    return display.NONE if seconds is None else f"{seconds * 1000:.0f} ms"


def _health(cloud: Cloud) -> tuple[str, str]:
    if cloud.failures:
        times = "once" if cloud.failures == 1 else f"{cloud.failures} times"
        return "bad", f"failed {times}"
    if cloud.observed_at is None:
        return "off", "never observed"
    return "good", "answers"
