"""Snapshots, for operators."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html

from compute.admin import retries
from compute.admin.console import display, export, filters
from compute.admin.console.display import api_url, page_url
from compute.admin.console.forms import OwnedForm
from compute.admin.console.operators import may
from compute.admin.console.pages import Button, Link, Page
from compute.admin.console.tabs import TabbedAdmin
from compute.models import Snapshot, SnapshotStatus
from compute.search import id_prefix
from compute.services import snapshots, vms
from compute.services.actions import ACTIONS


class SnapshotForm(OwnedForm):
    class Meta(OwnedForm.Meta):
        model = Snapshot
        fields = ("name", "description", "labels")


@admin.register(Snapshot)
class SnapshotAdmin(TabbedAdmin[Snapshot]):
    services = snapshots
    delete_warning = ACTIONS["snapshot.delete"].note
    commands = {"restore": "vm.restore"}
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
    sortable_by = ("name", "created")
    exported = export.of(
        *("id", "name", "status", "vm.name", "project.name", "cloud"),
        *("created_at", "deleted_at"),
    )
    list_select_related = ("project", "vm")
    links = ("vm__id__exact",)
    list_filter = (
        filters.StatusFilter,
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of its id or its VM's"
    actions = None
    details = (
        "id_shown",
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

    vm_page = staticmethod(display.link_column("vm", "VM"))

    @admin.display(description="Size", ordering="size_bytes")
    def size(self, snapshot: Snapshot) -> str:
        if snapshot.size_bytes is None:
            return display.NONE
        return f"{snapshot.size_bytes / 2**30:.1f} GiB"

    def search(self, queryset: QuerySet[Snapshot], text: str) -> QuerySet[Snapshot]:
        ids = id_prefix(text) | id_prefix(text, field="vm_id")
        return queryset.filter(Q(name__icontains=text) | ids)

    def page(self, request: HttpRequest, snapshot: Snapshot) -> Page:
        operation = snapshot.operation if may(request, "operation.list") else None
        is_free = snapshot.live_operation is None
        vm = snapshot.vm
        restore = Button(
            label="Restore",
            url=self.command_url(snapshot, "restore"),
            note=f"Everything {vm} has written since then is lost.",
        )
        can_restore = (
            is_free
            and snapshot.status == SnapshotStatus.AVAILABLE
            and "restore" in vm.allowed_actions
            and may(request, "vm.restore")
        )
        return Page(
            links=[
                Link("Its VM", page_url(vm)),
                Link("In the API", api_url(snapshot)),
            ],
            facts=format_html(
                '{} <span class="quiet">of</span> <a href="{}">{}</a>',
                display.badge(snapshot.status),
                page_url(vm),
                vm,
            ),
            error=snapshot.error,
            suffers=is_free,
            buttons=[
                *retries.buttons(request, operation, snapshot),
                *([restore] if can_restore else []),
            ],
            delete_url=(
                self.delete_url(request, snapshot)
                if "delete" in snapshot.allowed_actions
                else ""
            ),
            history=self.past(request, snapshot),
            stream_url=self.stream_url(request, snapshot),
        )

    def command(
        self, request: HttpRequest, snapshot: Snapshot, name: str
    ) -> HttpResponse:
        """Take its VM back to it."""
        return self.perform(
            request, snapshot.vm, "Restore", vms.restore, snapshot=str(snapshot.pk)
        )
