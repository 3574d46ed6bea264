"""VMs, for operators."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from compute.admin import attachments, vm_forms
from compute.admin.console import display, filters
from compute.admin.console.display import api_url, page_url
from compute.admin.console.edited import EditedAdmin
from compute.admin.console.forms import ActionForm
from compute.admin.console.history import LiveLine, history
from compute.admin.console.operators import (
    actor_of,
    may,
)
from compute.admin.console.pages import Link, Page
from compute.admin.vm_forms import VMCreateForm, VMForm
from compute.errors import Problem
from compute.models import VM, CloudService, OperationStatus
from compute.models.cloud import COMPUTE, confirmed_at
from compute.search import has_address, id_prefix
from compute.services import vms
from compute.services.actions import VM_ACTIONS


@admin.register(VM)
class VMAdmin(EditedAdmin[VM]):
    services = vms
    delete_warning = VM_ACTIONS["delete"].note
    commands = {verb: action.name for verb, action in VM_ACTIONS.items()}
    form = VMForm
    list_display = (
        "name",
        "badge",
        "project",
        "cloud",
        "flavor_asked",
        "ips",
        "created",
    )
    list_select_related = ("project", "operation")
    list_filter = (
        "status",
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.FlavorFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of the id or of an address"
    actions = ("start_all", "stop_all", "reboot_all", "delete_all")
    details = (
        "id",
        "project",
        "cloud",
        "flavor_name",
        "size",
        "image_name",
        "keypair_name",
        "ips",
        "server_id",
        "observed",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    # The list

    @admin.display(description="Flavor", ordering="flavor_name")
    def flavor_asked(self, vm: VM) -> str:
        return vm.flavor_name

    def search(self, queryset: QuerySet[VM], text: str) -> QuerySet[VM]:
        return queryset.filter(
            Q(name__icontains=text) | id_prefix(text) | has_address(text)
        )

    def get_actions(self, request: HttpRequest) -> Any:
        """Return what this operator may ask of many VMs at once."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if may(request, VM_ACTIONS[name.removesuffix("_all")].name)
        }

    @admin.action(description="Start")
    def start_all(self, request: HttpRequest, queryset: QuerySet[VM]) -> None:
        self.act_on_all(request, queryset, "start")

    @admin.action(description="Stop")
    def stop_all(self, request: HttpRequest, queryset: QuerySet[VM]) -> None:
        self.act_on_all(request, queryset, "stop")

    @admin.action(description="Reboot (soft)")
    def reboot_all(self, request: HttpRequest, queryset: QuerySet[VM]) -> None:
        self.act_on_all(request, queryset, "reboot")

    @admin.action(description="Delete…")
    def delete_all(
        self, request: HttpRequest, queryset: QuerySet[VM]
    ) -> HttpResponse | None:
        if request.POST.get("confirmed"):
            self.act_on_all(request, queryset, "delete")
            return None
        selected = self.selected(request, queryset)
        if selected is None:
            return None
        back = request.get_full_path()
        return self.confirm_delete(request, selected, back=back, action="delete_all")

    def act_on_all(
        self, request: HttpRequest, queryset: QuerySet[VM], name: str
    ) -> None:
        """Ask the same of every selected VM and say of each what became of it."""
        action, actor = VM_ACTIONS[name], actor_of(request)
        done, not_done = [], []
        rows = self.selected(request, queryset)
        if rows == []:
            messages.warning(
                request, "Nothing was done: the selected VMs no longer exist."
            )
        for vm in rows or ():
            try:
                action.service(vm, actor=actor)
            except Problem as problem:
                reason = self.refused(request, problem, vm)
                not_done.append((page_url(vm), vm.name, reason))
            else:
                done.append((page_url(vm), vm.name, "under way"))
        for level, verdict, lines in (
            (messages.SUCCESS, "is under way for", done),
            (messages.WARNING, "was refused for", not_done),
        ):
            if lines:
                text = f"{action.label} {verdict} {len(lines)} of the VMs"
                self.message_user(request, _listed(text, lines), level)

    # A page

    @admin.display(description="Size")
    def size(self, vm: VM) -> str:
        return f"{vm.vcpus} vCPU, {vm.ram_mb} MB RAM, {vm.disk_gb} GB disk"

    @admin.display(description="Addresses")
    def ips(self, vm: VM) -> str:
        return ", ".join(address["ip"] for address in vm.addresses) or display.NONE

    @admin.display(description="Observed")
    def observed(self, vm: VM) -> SafeString | str:
        if not vm.observed_status:
            return display.NONE
        row = CloudService.objects.filter(cloud=vm.cloud, service=COMPUTE).first()
        time = confirmed_at(vm.observed_at, row.observed_at if row else None)
        return format_html("{}, {}", vm.observed_status, display.ago(time))

    def get_queryset(self, request: HttpRequest) -> QuerySet[VM]:
        return super().get_queryset(request).select_related("operation", "project")

    def page(self, request: HttpRequest, vm: VM) -> Page:
        sees = may(request, "operation.list")
        operation, live = (vm.operation, vm.live_operation) if sees else (None, None)
        has_failed = operation and operation.status == OperationStatus.FAILED
        snapshots = reverse("admin:compute_snapshot_changelist")
        links = [Link("Snapshots", f"{snapshots}?vm__id__exact={vm.pk}")]
        at = format_html(' <span class="quiet">at</span> {}', self.ips(vm))
        delete_url = self.delete_url(request, vm)
        return Page(
            links=[
                *(links if may(request, "snapshot.list") else ()),
                Link("In the API", api_url(vm)),
            ],
            facts=format_html(
                '{} {} <span class="quiet">in</span> {}{}',
                display.badge(vm.status),
                self.size(vm),
                vm.cloud,
                at if vm.addresses else "",
            ),
            error=vm.error or (operation.error if operation and has_failed else None),
            # What is under way may well mend it.
            suffers=vm.error is not None and not live,
            live=LiveLine(request, live) if live else None,
            is_deleted=vm.deleted_at is not None,
            buttons=vm_forms.buttons(request, vm, url=self.command_url),
            delete_url=delete_url if "delete" in vm.allowed_actions else "",
            tables=[] if vm.deleted_at else [attachments.networks_of(request, vm)],
            notes=list(_notes(vm, can_delete=bool(delete_url))),
            history=history(request, vm),
        )

    # What a page can ask

    def command(self, request: HttpRequest, vm: VM, name: str) -> HttpResponse:
        """Ask for an action of the table."""
        return self.ask(request, vm, ActionForm(VM_ACTIONS[name], request.POST))

    def create_form(self, request: HttpRequest, data: Any) -> VMCreateForm:
        return VMCreateForm(request, data)


def _notes(vm: VM, *, can_delete: bool) -> Iterator[str]:
    if vm.lacks_server:
        yield "It has no server in the cloud: it can only be deleted."
    elif vm.takes_only_delete:
        yield "Its server was never launched: it can only be deleted."
    if can_delete and vm.delete_protection:
        yield "Protected from deletion: clear “Delete protection” below first."


def _listed(text: str, lines: list[tuple[str, str, str]]) -> SafeString:
    rows = format_html_join("", '<div><a href="{}">{}</a>: {}</div>', lines)
    return format_html('{}:<div class="answers">{}</div>', text, rows)
