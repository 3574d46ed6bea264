"""VMs, for operators."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from compute.admin import verbs
from compute.admin.console import display, filters
from compute.admin.console.base import (
    OwnedAdmin,
    actor_of,
    add_errors,
    history,
    may,
    refused,
    requested,
    require,
)
from compute.admin.console.display import page_url
from compute.admin.console.forms import VMCreateForm, VMForm
from compute.engine import runner
from compute.errors import Problem
from compute.models import VM, Cloud, Flavor, Image, OperationStatus, Project
from compute.models.cloud import confirmed_at
from compute.models.search import has_address, id_prefix
from compute.services import vms

#: VMs that one list action takes: each is a transaction of its own, in the request.
MAX_SELECTED = 500


@admin.register(VM)
class VMAdmin(OwnedAdmin[VM]):
    services = vms
    delete_warning = "The server and its disk are removed from the cloud for good."
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
        filters.AgeFilter,
        filters.DeletedFilter,
    )
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of the id or of an address"
    actions = ("start_all", "stop_all", "reboot_all", "delete_all")
    fieldsets = (
        (None, {"fields": ("name", "description", "labels", "delete_protection")}),
        (
            "Details",
            {
                "fields": (
                    "id",
                    "project",
                    "cloud",
                    "flavor_name",
                    "size",
                    "image_name",
                    "ips",
                    "server_id",
                    "observed",
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
        "project",
        "cloud",
        "flavor_name",
        "size",
        "image_name",
        "ips",
        "server_id",
        "observed",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    # The list

    @admin.display(description="Status", ordering="status")
    def badge(self, vm: VM) -> SafeString:
        return display.badge(vm.status)

    @admin.display(description="Flavor", ordering="flavor_name")
    def flavor_asked(self, vm: VM) -> str:
        return vm.flavor_name

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[VM], search_term: str
    ) -> tuple[QuerySet[VM], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        queryset, address = has_address(queryset, text)
        condition = Q(name__icontains=text) | id_prefix(text) | address
        return queryset.filter(condition), False

    def get_actions(self, request: HttpRequest) -> Any:
        """Return what this operator may ask of many VMs at once."""
        return {
            name: action
            for name, action in super().get_actions(request).items()
            if may(request, verbs.permission(name.removesuffix("_all")))
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

    def selected(self, request: HttpRequest, queryset: QuerySet[VM]) -> list[VM] | None:
        found = list(queryset[: MAX_SELECTED + 1])
        if len(found) <= MAX_SELECTED:
            return found
        messages.error(
            request, f"Nothing was done: select at most {MAX_SELECTED} VMs at once."
        )
        return None

    def act_on_all(
        self, request: HttpRequest, queryset: QuerySet[VM], name: str
    ) -> None:
        """Ask the same of every selected VM and say of each what became of it."""
        action, actor = verbs.ACTIONS[name], actor_of(request)
        done, not_done = [], []
        rows = self.selected(request, queryset)
        if rows == []:
            messages.warning(request, "Nothing was done: what was selected is gone.")
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
        return display.size(vm)

    @admin.display(description="Addresses")
    def ips(self, vm: VM) -> str:
        return display.addresses(vm)

    @admin.display(description="Observed")
    def observed(self, vm: VM) -> SafeString | str:
        if not vm.observed_status:
            return display.NONE
        cloud = Cloud.objects.filter(alias=vm.cloud).first()
        time = confirmed_at(vm.observed_at, cloud.observed_at if cloud else None)
        return format_html("{}, {}", vm.observed_status, display.ago(time))

    def get_queryset(self, request: HttpRequest) -> QuerySet[VM]:
        return super().get_queryset(request).select_related("operation", "project")

    def page(self, request: HttpRequest, vm: VM) -> dict[str, Any]:
        sees = may(request, "operation.list")
        operation, live = (vm.operation, vm.live_operation) if sees else (None, None)
        failed = operation and operation.status == OperationStatus.FAILED
        can_delete = self.has_delete_permission(request, vm)
        return {
            "vm": vm,
            "badge": display.badge(vm.status),
            "addresses": display.addresses(vm),
            "size": display.size(vm),
            "buttons": verbs.buttons(request, vm),
            "can_delete": can_delete and "delete" in vm.allowed_actions,
            "protected": can_delete and vm.delete_protection,
            "delete_url": reverse("admin:compute_vm_delete", args=[vm.pk]),
            "live": live and display.OperationLine(live),
            "can_cancel": bool(live and runner.is_cancellable(live))
            and may(request, "operation.cancel"),
            "error": vm.error or (operation.error if operation and failed else None),
            # What is under way may well mend it.
            "suffers": vm.error is not None and not live,
            "snapshots_url": f"{reverse('admin:compute_snapshot_changelist')}"
            f"?vm__id__exact={vm.pk}",
            "api_url": reverse("vm-detail", kwargs={"id": vm.pk}),
            **history(request, target=vm),
        }

    # What a page can ask

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.action_view)
        route = "<uuid:pk>/actions/<slug:name>/"
        return [path(route, view, name="compute_vm_action"), *super().get_urls()]

    def action_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Do what a button says."""
        action = verbs.ACTIONS.get(name)
        if action is None:
            raise Http404
        require(request, verbs.permission(name))
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        vm = self.get_object(request, str(pk))
        if vm is None:
            return self.not_found(request, str(pk))
        form = action.form(request.POST, vm=vm)
        if not form.is_valid():
            return self._say_invalid(request, vm, form)
        values = form.cleaned_data
        actor = actor_of(request)
        return self.perform(
            request,
            vm,
            action.label,
            lambda: action.service(vm, actor=actor, **values),
        )

    def _say_invalid(
        self, request: HttpRequest, vm: VM, form: verbs.VerbForm
    ) -> HttpResponseRedirect:
        for field, errors in form.errors.items():
            messages.error(
                request, f"{field.capitalize()}: {' '.join(map(str, errors))}"
            )
        return redirect(page_url(vm))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Create a VM: the service makes the row, and a cloud the server."""
        require(request, "vm.create")
        if request.method == "POST":
            form = VMCreateForm(request.POST)
            if form.is_valid() and (vm := _create(request, form)):
                text = f"Creation of {vm} is under way"
                messages.success(request, requested(text, vm.operation))
                return redirect(page_url(vm))
        else:
            form = VMCreateForm(initial={"project": Project.objects.default().name})
        flavors = Flavor.objects.offered().order_by("disk_gb", "ram_mb", "name")
        images = Image.objects.offered().filter(project=None)
        context = {
            **self.admin_site.each_context(request),
            "title": "Add VM",
            "opts": self.opts,
            "form": form,
            "suggestions": {
                noun: rows.values("name").distinct()[: verbs.SUGGESTIONS]
                for noun, rows in (("flavor", flavors), ("image", images))
                if may(request, f"{noun}.list")
            },
        }
        return TemplateResponse(request, "admin/compute/add.html", context)


def _create(request: HttpRequest, form: VMCreateForm) -> VM | None:
    """Create what a valid form asks for, or tell the form why not."""
    try:
        return vms.create(actor=actor_of(request), **form.cleaned_data)
    except Problem as problem:
        refused(request, problem, project_id=form.cleaned_data["project"].pk)
        add_errors(form, problem)
        return None


def _listed(text: str, lines: list[tuple[str, str, str]]) -> SafeString:
    rows = format_html_join("", '<div><a href="{}">{}</a>: {}</div>', lines)
    return format_html('{}:<div class="answers">{}</div>', text, rows)
