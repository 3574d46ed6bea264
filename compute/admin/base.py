"""What the pages share: who acts, what is read-only, how a refusal reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import display
from compute.admin.display import page_url
from compute.errors import Problem
from compute.events import Actor
from compute.models import VM, Event, Operation, Snapshot

M = TypeVar("M", bound=Model)
Owned = TypeVar("Owned", VM, Snapshot)

#: How much of a history a page shows; the rest is one click away.
RECENT_OPERATIONS = 20
RECENT_EVENTS = 50

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's class is generic in its stubs only."""


def actor_of(request: HttpRequest) -> Actor:
    """Return the operator, as events name people."""
    return Actor(
        f"user:{request.user.get_username()}",
        request_id=getattr(request, "request_id", ""),
    )


def refusal(problem: Problem) -> str:
    """Return a problem as one sentence or two for people."""
    rows = problem.members.get("errors", [])
    reasons = [row["detail"] for row in rows] or [problem.detail]
    return f"{problem.title}: {' '.join(reasons)}"


def requested(text: str, operation: Operation | None) -> SafeString:
    """Return the message of an accepted request, with a link to its operation."""
    if operation is None:
        return format_html("{}.", text)
    url = page_url(operation)
    return format_html('{}: <a href="{}">{}</a>.', text, url, operation.type)


class PageAdmin(_ModelAdmin[M]):
    """Rows that nobody removes, in lists that cost the same at any length."""

    list_per_page = 100
    show_full_result_count = False
    # Counts beside the filters would be a query over the whole table for each choice.
    show_facets = admin.ShowFacets.NEVER

    created = staticmethod(display.ago_column("created_at", "Created"))
    created_on = staticmethod(display.exact_field("created_at", "Created"))
    updated_on = staticmethod(display.exact_field("updated_at", "Updated"))
    deleted_on = staticmethod(display.exact_field("deleted_at", "Deleted"))
    vm_page = staticmethod(display.link_column("vm", "VM"))
    snapshot_page = staticmethod(display.link_column("snapshot", "Snapshot"))

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class HistoryAdmin(PageAdmin[M]):
    """Rows that the service alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class OwnedAdmin(PageAdmin[Owned]):
    """VMs and snapshots: a few fields to edit, a delete that the cloud performs."""

    #: Of `compute.services`: has ``update`` and ``delete``.
    services: Any
    #: What a delete costs, for the page that asks again.
    delete_warning: str

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        exists = obj is None or obj.deleted_at is None
        return exists and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        name = f"{self.opts.app_label}.delete_{self.opts.model_name}"
        return (obj is None or obj.deleted_at is None) and request.user.has_perm(name)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> Any:
        context = {"show_save_and_add_another": False, **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except Problem as problem:
            # The row changed between the form's check and the service's lock.
            messages.error(request, refusal(problem))
            return redirect(request.path)

    def save_model(
        self, request: HttpRequest, obj: Owned, form: Any, change: bool
    ) -> None:
        fields = self.services.EDITABLE.intersection(form.changed_data)
        version = form.cleaned_data["version"]
        self.services.update(
            obj,
            actor=actor_of(request),
            changes={name: form.cleaned_data[name] for name in fields},
            expect=None if version is None else frozenset({version}),
        )

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask again, then have the service delete it; the row stays."""
        row = self.get_object(request, unquote(object_id))
        if not self.has_delete_permission(request, row):
            raise PermissionDenied
        if row is None:
            return self.not_found(request, object_id)
        if request.method == "POST":
            return self.perform(
                request,
                row,
                "Delete",
                lambda: self.services.delete(row, actor=actor_of(request)),
            )
        return self.confirm_delete(request, [row], back=page_url(row))

    def confirm_delete(
        self, request: HttpRequest, rows: list[Owned], *, back: str, action: str = ""
    ) -> TemplateResponse:
        """Show what would be deleted; ``action`` names the list action to repeat."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete {self.noun(len(rows))}?",
            "opts": self.opts,
            "rows": [(row, display.badge(row.status)) for row in rows],
            "warning": self.delete_warning,
            "back": back,
            "action": action,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/compute/confirm_delete.html", context)

    def noun(self, count: int) -> str:
        opts = self.opts
        name = opts.verbose_name if count == 1 else opts.verbose_name_plural
        return f"{count} {name}" if count > 1 else f"this {name}"

    def perform(
        self, request: HttpRequest, row: VM | Snapshot, label: str, call: Any
    ) -> HttpResponseRedirect:
        """Call a service, tell the operator how it was taken, show the row again."""
        try:
            changed = call()
        except Problem as problem:
            messages.error(request, refusal(problem))
        else:
            text = f"{label} of {row} is under way"
            messages.success(request, requested(text, changed.operation))
        return redirect(page_url(row))

    def not_found(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        messages.warning(request, f"There is no {self.opts.verbose_name} {object_id}.")
        return redirect(reverse("admin:index"))


def history(
    request: HttpRequest, *, target: VM | Snapshot | Operation
) -> dict[str, Any]:
    """Return what a page shows of the past: the newest operations and events."""
    name = str(target._meta.model_name)
    events = Event.objects.filter(**{name: target}).order_by("-sequence")
    found: dict[str, Any] = {
        "events": [display.EventLine(event) for event in events[:RECENT_EVENTS]],
        "can_see_events": request.user.has_perm("compute.view_event"),
        "events_url": f"{reverse('admin:compute_event_changelist')}"
        f"?{name}__id__exact={target.pk}",
    }
    if not isinstance(target, Operation):
        operations = Operation.objects.filter(**{name: target}).order_by("-created_at")
        found["operations"] = [
            display.OperationLine(operation)
            for operation in operations[:RECENT_OPERATIONS]
        ]
        found["operations_url"] = (
            f"{reverse('admin:compute_operation_changelist')}"
            f"?{name}__id__exact={target.pk}"
        )
    return found
