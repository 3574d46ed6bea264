"""Snapshots, for operators."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django_fsm import can_proceed

from compute.admin.console import display, filters
from compute.admin.console.base import OwnedAdmin, actor_of, history, may, require
from compute.admin.console.forms import SnapshotForm
from compute.models import Snapshot, SnapshotStatus
from compute.models.search import id_prefix
from compute.services import snapshots, vms


@admin.register(Snapshot)
class SnapshotAdmin(OwnedAdmin[Snapshot]):
    services = snapshots
    delete_warning = "Its image is removed from the cloud for good."
    form = SnapshotForm
    list_display = (
        "name",
        "badge",
        "vm_page",
        "project",
        "cloud",
        "size",
        "created",
    )
    list_select_related = ("project", "vm")
    links = ("vm__id__exact",)
    list_filter = (
        "status",
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.AgeFilter,
        filters.DeletedFilter,
    )
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of its id or its VM's"
    actions = None
    fieldsets = (
        (None, {"fields": ("name", "description", "labels")}),
        (
            "Details",
            {
                "fields": (
                    "id",
                    "vm_page",
                    "project",
                    "cloud",
                    "size",
                    "image_provider_id",
                    "created_on",
                    "updated_on",
                    "deleted_on",
                    "version",
                )
            },
        ),
    )
    readonly_fields = (
        "id",
        "vm_page",
        "project",
        "cloud",
        "size",
        "image_provider_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A snapshot is taken on the page of its VM.
        return False

    @admin.display(description="Status", ordering="status")
    def badge(self, snapshot: Snapshot) -> SafeString:
        return display.badge(snapshot.status)

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, snapshot: Snapshot) -> str:
        if snapshot.size_bytes is None:
            return display.NONE
        return f"{snapshot.size_bytes / 2**30:.1f} GiB"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Snapshot], search_term: str
    ) -> tuple[QuerySet[Snapshot], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        ids = id_prefix(text) | id_prefix(text, field="vm_id")
        return queryset.filter(Q(name__icontains=text) | ids), False

    def page(self, request: HttpRequest, snapshot: Snapshot) -> dict[str, Any]:
        free = snapshot.live_operation is None
        return {
            "snapshot": snapshot,
            "badge": display.badge(snapshot.status),
            "can_delete": free
            and can_proceed(snapshot.remove)
            and self.has_delete_permission(request, snapshot),
            "delete_url": reverse("admin:compute_snapshot_delete", args=[snapshot.pk]),
            "can_restore": free
            and snapshot.status == SnapshotStatus.AVAILABLE
            and "restore" in snapshot.vm.allowed_actions
            and may(request, "vm.restore"),
            "error": snapshot.error,
            "suffers": free,
            "api_url": reverse("snapshot-detail", kwargs={"id": snapshot.pk}),
            **history(request, target=snapshot),
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.restore_view)
        own = path("<uuid:pk>/restore/", view, name="compute_snapshot_restore")
        return [own, *super().get_urls()]

    def restore_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Take its VM back to it."""
        require(request, "vm.restore")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        snapshot = self.get_object(request, str(pk))
        if snapshot is None:
            return self.not_found(request, str(pk))
        vm, actor = snapshot.vm, actor_of(request)
        return self.perform(
            request,
            vm,
            "Restore",
            lambda: vms.restore(vm, snapshot=str(pk), actor=actor),
        )
