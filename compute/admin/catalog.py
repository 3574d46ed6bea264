"""Flavors and images: copies of what the clouds offer, read-only here."""

from typing import TypeVar

from django.contrib import admin
from django.db.models import Q, QuerySet

from compute.admin.console import display, export, filters
from compute.admin.console.pages import HistoryAdmin
from compute.models import Flavor, Image
from compute.search import id_prefix

Row = TypeVar("Row", Flavor, Image)


class CatalogAdmin(HistoryAdmin[Row]):
    search_fields = ("name",)
    search_help_text = "Part of the name, the cloud's id, or the beginning of ours"

    vanished = staticmethod(display.ago_column("vanished_at", "Vanished"))

    def search(self, queryset: QuerySet[Row], text: str) -> QuerySet[Row]:
        named = Q(name__icontains=text) | Q(provider_id=text)
        return queryset.filter(named | id_prefix(text))


@admin.register(Flavor)
class FlavorAdmin(CatalogAdmin[Flavor]):
    list_display = (
        "name",
        "vcpus",
        "ram_mb",
        "disk_gb",
        "cloud",
        "vanished",
    )
    list_filter = (filters.CloudFilter, filters.OFFERED)
    exported = export.of(
        *("id", "name", "vcpus", "ram_mb", "disk_gb", "cloud", "provider_id"),
        "vanished_at",
    )
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


@admin.register(Image)
class ImageAdmin(CatalogAdmin[Image]):
    list_display = (
        "name",
        "status",
        "visibility",
        "min_disk_gb",
        "min_ram_mb",
        "project",
        "cloud",
        "vanished",
    )
    list_select_related = ("project",)
    list_filter = (
        filters.CloudFilter,
        filters.ProjectFilter,
        filters.CREATED,
        filters.OFFERED,
    )
    exported = export.of(
        *("id", "name", "status", "visibility", "min_disk_gb", "min_ram_mb"),
        *("project.name", "cloud", "provider_id", "created_at", "vanished_at"),
    )
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
