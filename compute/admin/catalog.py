"""Flavors and images: copies of what the clouds offer, read-only here."""

from typing import TypeVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from compute.admin.console import display, filters
from compute.admin.console.base import HistoryAdmin
from compute.models import Flavor, Image
from compute.models.search import id_prefix

Row = TypeVar("Row", Flavor, Image)


@admin.register(Flavor)
class FlavorAdmin(HistoryAdmin[Flavor]):
    list_display = (
        "name",
        "vcpus",
        "ram_mb",
        "disk_gb",
        "cloud",
        display.ago_column("vanished_at", "Vanished"),
    )
    list_filter = (filters.CloudFilter, filters.OfferedFilter)
    search_fields = ("name",)
    search_help_text = "Part of the name, the cloud's id, or the beginning of ours"
    fields = (
        "id",
        "name",
        "vcpus",
        "ram_mb",
        "disk_gb",
        "cloud",
        "provider_id",
        "vanished_at",
        "created_at",
        "updated_at",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Flavor], search_term: str
    ) -> tuple[QuerySet[Flavor], bool]:
        return _named(queryset, search_term), False


@admin.register(Image)
class ImageAdmin(HistoryAdmin[Image]):
    list_display = (
        "name",
        "status",
        "visibility",
        "min_disk_gb",
        "min_ram_mb",
        "project",
        "cloud",
        display.ago_column("vanished_at", "Vanished"),
    )
    list_select_related = ("project",)
    list_filter = (
        filters.CloudFilter,
        filters.ProjectFilter,
        filters.AgeFilter,
        filters.OfferedFilter,
    )
    search_fields = ("name",)
    search_help_text = "Part of the name, the cloud's id, or the beginning of ours"
    fields = (
        "id",
        "name",
        "status",
        "visibility",
        "size_bytes",
        "min_disk_gb",
        "min_ram_mb",
        "project",
        "cloud",
        "provider_id",
        "vanished_at",
        "created_at",
        "updated_at",
    )

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Image], search_term: str
    ) -> tuple[QuerySet[Image], bool]:
        return _named(queryset, search_term), False


def _named(queryset: QuerySet[Row], text: str) -> QuerySet[Row]:
    text = text.strip()
    if not text:
        return queryset
    return queryset.filter(
        Q(name__icontains=text) | Q(provider_id=text) | id_prefix(text)
    )
