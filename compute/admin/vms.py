"""VMs, for operators."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import attachments, bulk, retries, vm_forms, vm_page
from compute.admin.console import display, export, filters
from compute.admin.console.display import page_url
from compute.admin.console.forms import ActionForm
from compute.admin.console.history import LiveLine
from compute.admin.console.operators import (
    actor_of,
    may,
)
from compute.admin.console.pages import Page, Table
from compute.admin.console.tabs import TabbedAdmin
from compute.admin.sizes import size
from compute.admin.vm_forms import VMCreateForm, VMForm
from compute.errors import Problem
from compute.models import VM, BatchAction, Image, OperationStatus, VMStatus
from compute.models.lifecycle import MOVING
from compute.search import (
    NOTHING,
    has_address,
    has_label,
    has_mac,
    id_prefix,
    in_network,
)
from compute.services import vms
from compute.services.actions import VM_ACTIONS
from compute.services.batches import ASKS

#: Images that a search looks at.
MAX_IMAGES = 100


class VMStatusFilter(filters.StatusFilter):
    words = {"moving": MOVING}
    first = (VMStatus.ERROR,)


@admin.register(VM)
class VMAdmin(TabbedAdmin[VM]):
    services = vms
    has_preview = True
    delete_warning = VM_ACTIONS["delete"].note
    commands = {
        **{verb: action.name for verb, action in VM_ACTIONS.items()},
        "console": "vm.console",
    }
    own_tabs = {
        "console": ("Console log", "vm.console-log"),
        "snapshots": ("Snapshots", "snapshot.list"),
        "networks": ("Networks", "vm.retrieve"),
    }
    form = VMForm
    list_display = (
        "name",
        "state",
        "project",
        "cloud",
        "flavor_asked",
        "image_asked",
        "ips",
        "labels_shown",
        "created",
    )
    # What there is an index of.
    sortable_by = ("name", "created")
    list_filter = (
        VMStatusFilter,
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.FlavorFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    search_fields = ("name",)
    search_help_text = (
        "Part of the name or the image, the beginning of the id or an address, a network "
        "(10.0.0.0/24), a MAC, or a label (env, env=prod)"
    )
    exported = {
        **export.of("id", "name", "status", "project.name", "cloud"),
        "flavor": lambda vm: vm.flavor.name if vm.flavor else vm.flavor_name,
        "image": lambda vm: vm.image.name if vm.image else vm.image_name,
        **export.of("vcpus", "ram_mb", "disk_gb"),
        "addresses": lambda vm: " ".join(address["ip"] for address in vm.addresses),
        "labels": lambda vm: " ".join(display.label_pairs(vm.labels)),
        "error": lambda vm: display.reason(vm.error),
        **export.of("created_at", "updated_at", "deleted_at"),
    }
    actions = (
        "start_all",
        "stop_all",
        "reboot_all",
        "reboot_hard_all",
        "pause_all",
        "unpause_all",
        "suspend_all",
        "resume_all",
        "delete_all",
    )
    details = (
        "id_shown",
        "project_page",
        "cloud",
        "flavor_page",
        "size",
        "image_page",
        "keypair_page",
        "ips",
        "server",
        "delete_protection",
        "observed",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    server = staticmethod(display.copyable_field("server_id", "Server ID"))

    # The list

    @admin.display(description="Flavor", ordering="flavor_name")
    def flavor_asked(self, vm: VM) -> str:
        return vm.flavor.name if vm.flavor else vm.flavor_name

    @admin.display(description="Status")
    def state(self, vm: VM) -> SafeString:
        """Show why it is in ERROR, too."""
        reason = display.reason(vm.error) if vm.status == VMStatus.ERROR else ""
        return format_html(
            '{}<div class="quiet">{}</div>',
            display.badge(vm.status),
            display.short(reason, display.MAX_VALUE),
        )

    @admin.display(description="Image")
    def image_asked(self, vm: VM) -> str:
        return vm.image.name if vm.image else vm.image_name

    def search(self, queryset: QuerySet[VM], text: str) -> QuerySet[VM]:
        network = in_network(text)
        if network != NOTHING:
            return queryset.filter(network)
        # Their ids, and not a condition on them: so the index of VMs by image is used.
        images = Image.objects.filter(name__icontains=text).values_list("pk", flat=True)
        where = has_address(text) | has_mac(text)
        what = has_label(text) | Q(image__in=list(images[:MAX_IMAGES]))
        return queryset.filter(Q(name__icontains=text) | id_prefix(text) | where | what)

    start_all = bulk.list_action(BatchAction.START)
    stop_all = bulk.list_action(BatchAction.STOP)
    reboot_all = bulk.list_action(BatchAction.REBOOT)
    reboot_hard_all = bulk.list_action(BatchAction.REBOOT_HARD)
    pause_all = bulk.list_action(BatchAction.PAUSE)
    unpause_all = bulk.list_action(BatchAction.UNPAUSE)
    suspend_all = bulk.list_action(BatchAction.SUSPEND)
    resume_all = bulk.list_action(BatchAction.RESUME)
    delete_all = bulk.list_action(BatchAction.DELETE)

    def get_actions(self, request: HttpRequest) -> Any:
        """Return what this operator may ask of many VMs at once."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if may(request, ASKS[bulk.action_of(name)].action.name)
        }

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(bulk.confirm)
        route = path("bulk/<slug:action>/", view, name="compute_vm_bulk")
        return [route, *super().get_urls()]

    # A page

    @admin.display(description="Size")
    def size(self, vm: VM) -> str:
        return size(vm.vcpus, vm.ram_mb, vm.disk_gb)

    @admin.display(description="Addresses")
    def ips(self, vm: VM) -> str:
        return ", ".join(address["ip"] for address in vm.addresses) or display.NONE

    @admin.display(description="Flavor")
    def flavor_page(self, vm: VM) -> SafeString | str:
        return vm.flavor_name if vm.flavor is None else display.link(vm.flavor)

    @admin.display(description="Image")
    def image_page(self, vm: VM) -> SafeString | str:
        return vm.image_name if vm.image is None else display.link(vm.image)

    @admin.display(description="Keypair")
    def keypair_page(self, vm: VM) -> SafeString | str:
        if vm.keypair is None:
            return vm.keypair_name or display.NONE
        return display.link(vm.keypair)

    @admin.display(description="Observed")
    def observed(self, vm: VM) -> SafeString | str:
        return vm_page.observed(vm)

    def get_queryset(self, request: HttpRequest) -> QuerySet[VM]:
        joined = ("operation", "project", "flavor", "image", "keypair")
        rows = super().get_queryset(request).select_related(*joined)
        return rows.defer("user_data")

    def page(self, request: HttpRequest, vm: VM) -> Page:
        sees = may(request, "operation.list")
        operation, live = (vm.operation, vm.live_operation) if sees else (None, None)
        has_failed = operation and operation.status == OperationStatus.FAILED
        delete_url = self.delete_url(request, vm)
        return Page(
            links=list(vm_page.links(request, vm)),
            facts=vm_page.facts(vm),
            error=vm.error or (operation.error if operation and has_failed else None),
            # What is under way may well mend it.
            suffers=vm.error is not None and not live,
            live=LiveLine(request, live) if live else None,
            is_deleted=vm.deleted_at is not None,
            buttons=[
                *retries.buttons(request, operation, vm),
                *vm_forms.buttons(request, vm, url=self.command_url),
            ],
            delete_url=delete_url if "delete" in vm.allowed_actions else "",
            notes=list(vm_page.notes(vm, can_delete=bool(delete_url))),
            tables=list(self._tables(request, vm)),
            part=self._console(request, vm),
            history=self.past(request, vm),
            stream_url=self.stream_url(request, vm),
        )

    def _tables(self, request: HttpRequest, vm: VM) -> Iterator[Table]:
        match self.tab(request, vm):
            case "networks":
                yield attachments.networks_of(request, vm)
            case "snapshots":
                yield vm_page.snapshots(vm)

    def _console(self, request: HttpRequest, vm: VM) -> SafeString | str:
        if self.tab(request, vm) != "console":
            return ""
        return vm_page.console(request, vm, url=self.command_url(vm, "console"))

    # What a page can ask

    def command(self, request: HttpRequest, vm: VM, name: str) -> HttpResponse:
        """Ask for an action of the table, or for a way to the screen."""
        if name == "console":
            return self._open_console(request, vm)
        return self.ask(request, vm, ActionForm(VM_ACTIONS[name], request.POST))

    def _open_console(self, request: HttpRequest, vm: VM) -> HttpResponse:
        back = f"{page_url(vm)}?tab=console"
        try:
            console = vms.remote_console(vm, actor=actor_of(request))
        except Problem as problem:
            messages.error(request, self.refused(request, problem, vm))
            return redirect(back)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Remote console of {vm}",
            "opts": self.opts,
            "vm": vm,
            "console": console,
            "back": back,
        }
        return TemplateResponse(request, "admin/compute/remote_console.html", context)

    def create_form(self, request: HttpRequest, data: Any) -> VMCreateForm:
        vm = None
        if like := request.GET.get("like"):
            vm = self.get_object(request, like)
            if vm is None or not self.has_view_permission(request, vm):
                raise Http404(f"There is no VM {like}.")
        return VMCreateForm(request, data, like=vm)

    def preview(self, request: HttpRequest) -> SafeString | str:
        return vm_forms.preview(request)
