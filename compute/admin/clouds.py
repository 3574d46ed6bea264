"""Clouds: whether each one answers, and when it last did."""

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import display
from compute.admin.base import HistoryAdmin
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
        "passes",
        "servers_seen",
        "catalog_refreshed_at",
        "failures",
        "last_error",
        "last_error_at",
    )

    @admin.display(description="Health", ordering="failures")
    def health(self, cloud: Cloud) -> SafeString:
        tone, word = _health(cloud)
        return format_html('<span class="status status-{}">{}</span>', tone, word)

    @admin.display(description="A pass takes", ordering="pass_seconds")
    def pass_took(self, cloud: Cloud) -> str:
        seconds = cloud.pass_seconds
        return display.NONE if seconds is None else f"{seconds * 1000:.0f} ms"


def _health(cloud: Cloud) -> tuple[str, str]:
    if cloud.failures:
        times = "once" if cloud.failures == 1 else f"{cloud.failures} times"
        return "bad", f"failed {times}"
    if cloud.observed_at is None:
        return "off", "never observed"
    return "good", "answers"
