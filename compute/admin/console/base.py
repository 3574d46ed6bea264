"""What the pages share: who acts, what is read-only, how a refusal reads."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.access import Access
from compute.addresses import client_address
from compute.admin.console import display, parameters
from compute.admin.console.display import page_url
from compute.errors import Problem
from compute.events import Actor
from compute.expected import VersionIs
from compute.models import VM, Event, Operation, Project, Snapshot
from compute.models.permission import PERMISSIONS
from compute.services import audit

M = TypeVar("M", bound=Model)
Owned = TypeVar("Owned", VM, Snapshot)
Edited = TypeVar("Edited", VM, Snapshot, Project)

#: How much of a history a page shows; the rest is one click away.
RECENT_OPERATIONS = 20
RECENT_EVENTS = 50

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's class is generic in its stubs only."""


def actor_of(request: HttpRequest) -> Actor:
    """Return who is at the browser, as events name people."""
    return Actor(
        Access(request.user).name,
        request_id=getattr(request, "request_id", ""),
        address=client_address(request),
    )


def may(request: HttpRequest, permission: str) -> bool:
    """Whether an operator has a permission, by its name in the one table of them."""
    return request.user.has_perm(PERMISSIONS[permission].django_name)


def require(request: HttpRequest, permission: str) -> None:
    """Raise PermissionDenied unless an operator has a permission."""
    if not may(request, permission):
        name = PERMISSIONS[permission].django_name
        raise PermissionDenied(f"{permission} takes the permission {name}.")


def refusal(problem: Problem) -> str:
    """Return a problem as one sentence or two for people."""
    rows = problem.members.get("errors", [])
    reasons = [row["detail"] for row in rows] or [problem.detail]
    return f"{problem.title}: {' '.join(reasons)}"


def refused(
    request: HttpRequest,
    problem: Problem,
    *,
    project_id: UUID | None,
    target: Any = None,
) -> str:
    """Leave the event that a refusal asks for; return what to tell the operator.

    Call it outside of the transaction that was refused: the event shall stay.
    """
    audit.refused(
        problem,
        actor=actor_of(request),
        method=request.method or "",
        path=request.path,
        project_id=project_id,
        target=target,
        route=match.route if (match := request.resolver_match) else "",
    )
    return refusal(problem)


def add_errors(form: forms.Form, problem: Problem) -> None:
    """Put what a service found wrong beside the fields of a form."""
    for row in problem.members.get("errors", [{"detail": problem.detail}]):
        field = row.get("pointer", "").removeprefix("#/")
        form.add_error(field if field in form.fields else None, row["detail"])


def requested(text: str, operation: Operation | None) -> SafeString:
    """Return the message of an accepted request, with a link to its operation."""
    if operation is None:
        return format_html("{}.", text)
    url = page_url(operation)
    return format_html('{}: <a href="{}">{}</a>.', text, url, operation.type)


class ClosedAdmin(_ModelAdmin[M]):
    """Lists whose address takes what they offer, and nothing else."""

    #: Parameters by which other pages lead to a part of the list.
    links: ClassVar[tuple[str, ...]] = ()

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the list, or do what was asked of some of its rows.

        Django ignores an action that an operator is not offered; we refuse it.
        """
        names = parameters.filter_names(self.model, self.get_list_filter(request))
        parameters.check_list(request, filters=names, links=self.links)
        parameters.check_selected(request, self.opts.pk)
        asked = request.POST.get("action", "")
        if asked in (self.actions or ()) and asked not in self.get_actions(request):
            raise PermissionDenied(f"{asked} is not permitted.")
        return super().changelist_view(request, extra_context)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            changelist = super().get_changelist_instance(request)
        except IncorrectLookupParameters as error:
            raise parameters.not_understood(error) from error
        parameters.check_choices(changelist)
        return changelist


class PageAdmin(ClosedAdmin[M]):
    """Rows that nobody removes, in lists that cost the same at any length."""

    list_per_page = 100
    show_full_result_count = False
    # Counts beside the filters would be a query over the whole table for each choice.
    show_facets = admin.ShowFacets.NEVER
    #: What a delete costs, for the page that asks again.
    delete_warning = ""

    created = staticmethod(display.ago_column("created_at", "Created"))
    created_on = staticmethod(display.exact_field("created_at", "Created"))
    updated_on = staticmethod(display.exact_field("updated_at", "Updated"))
    deleted_on = staticmethod(display.exact_field("deleted_at", "Deleted"))
    vm_page = staticmethod(display.link_column("vm", "VM"))
    project_page = staticmethod(display.link_column("project", "Project"))
    snapshot_page = staticmethod(display.link_column("snapshot", "Snapshot"))

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def page(self, request: HttpRequest, row: M) -> dict[str, Any]:
        """Return what the page of a row shows around the form."""
        return {}

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: M | None = None,
    ) -> HttpResponse:
        if obj is not None:
            # The form has put what was typed into it; the page shows what is.
            stored = self.get_queryset(request).get(pk=obj.pk)
            context.update(self.page(request, stored), show_delete=False)
        return super().render_change_form(request, context, add, change, form_url, obj)

    def confirm_delete(
        self, request: HttpRequest, rows: list[Any], *, back: str, action: str = ""
    ) -> TemplateResponse:
        """Show what would be deleted; ``action`` names the list action to repeat."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete {self.noun(len(rows))}?",
            "opts": self.opts,
            "rows": [(row, self.badge_of(row)) for row in rows],
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

    def badge_of(self, row: Any) -> SafeString | str:
        """Return the status of a row, where its kind has one."""
        return display.badge(row.status) if hasattr(row, "status") else ""

    def not_found(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        messages.warning(request, f"There is no {self.opts.verbose_name} {object_id}.")
        return redirect(reverse("admin:index"))


class HistoryAdmin(PageAdmin[M]):
    """Rows that the service alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False


class EditedAdmin(PageAdmin[Edited]):
    """Rows that a service changes and deletes; what is deleted stays, as it was."""

    #: Of `compute.services`: has ``EDITABLE``, ``update`` and ``delete``.
    services: Any

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _exists(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_delete(request, obj)

    def _may_delete(self, request: HttpRequest, row: Edited | None) -> bool:
        return _exists(row) and may(request, f"{self.opts.model_name}.delete")

    def save_model(
        self, request: HttpRequest, obj: Edited, form: Any, change: bool
    ) -> None:
        fields = self.services.EDITABLE.intersection(form.changed_data)
        version = form.cleaned_data["version"]
        self.services.update(
            obj,
            actor=actor_of(request),
            changes={name: form.cleaned_data[name] for name in fields},
            expect=None if version is None else VersionIs(version),
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if request.method == "POST" and self.has_change_permission(request):
            row = self.get_object(request, unquote(object_id or ""))
            if row is not None and row.deleted_at is not None:
                return self.gone(request, row)
        context = dict(extra_context or {})
        return super().changeform_view(request, object_id, form_url, context)

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask again, then have the service delete it; the row stays."""
        row = self.get_object(request, unquote(object_id))
        if not self._may_delete(request, None):
            name = self.opts.verbose_name
            raise PermissionDenied(f"The {name} cannot be deleted by this account.")
        if row is None:
            return self.not_found(request, object_id)
        if row.deleted_at is not None:
            return self.gone(request, row)
        if request.method == "POST":
            return self.perform(
                request,
                row,
                "Delete",
                lambda: self.services.delete(row, actor=actor_of(request)),
            )
        return self.confirm_delete(request, [row], back=page_url(row))

    def gone(
        self, request: HttpRequest, row: VM | Snapshot | Project
    ) -> HttpResponseRedirect:
        """Show what a page that is out of date was about: it has been deleted."""
        messages.warning(request, f"The {self.opts.verbose_name} {row} is gone.")
        return redirect(page_url(row))

    def perform(
        self, request: HttpRequest, row: VM | Snapshot | Project, label: str, call: Any
    ) -> HttpResponseRedirect:
        """Call a service, tell the operator how it was taken, show the row again."""
        if row.deleted_at is not None:
            return self.gone(request, row)
        try:
            changed = call()
        except Problem as problem:
            messages.error(request, self.refused(request, problem, row))
        else:
            messages.success(request, self.accepted(label, row, changed))
        return redirect(page_url(row))

    def accepted(
        self, label: str, row: VM | Snapshot | Project, changed: Any
    ) -> SafeString:
        """Return the message of what a service has taken on."""
        return requested(f"{label} of {row} is under way", changed.operation)

    def refused(
        self,
        request: HttpRequest,
        problem: Problem,
        row: VM | Snapshot | Project | None,
    ) -> str:
        match row:
            case None:
                return refused(request, problem, project_id=None)
            case Project():
                return refused(request, problem, project_id=row.pk)
        return refused(request, problem, project_id=row.project_id, target=row)


class OwnedAdmin(EditedAdmin[Owned]):
    """VMs and snapshots: a cloud performs what is asked."""

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
            row = self.get_object(request, unquote(object_id or ""))
            messages.error(request, self.refused(request, problem, row))
            return redirect(request.path)


def _exists(row: VM | Snapshot | Project | None) -> bool:
    return row is None or row.deleted_at is None


def history(
    request: HttpRequest, *, target: VM | Snapshot | Operation | Project
) -> dict[str, Any]:
    """Return what a page shows of the past: the newest operations and events."""
    name = str(target._meta.model_name)
    found: dict[str, Any] = {}
    if may(request, "event.list"):
        events = Event.objects.filter(**{name: target}).order_by("-sequence")
        found["events"] = [display.EventLine(event) for event in events[:RECENT_EVENTS]]
        found["events_url"] = (
            f"{reverse('admin:compute_event_changelist')}?{name}__id__exact={target.pk}"
        )
    if not isinstance(target, Operation) and may(request, "operation.list"):
        operations = Operation.objects.filter(**{name: target}).order_by("-created_at")
        if isinstance(target, Project):
            operations = operations.select_related("vm", "snapshot")
            found["names_targets"] = True
        found["operations"] = [
            display.OperationLine(operation)
            for operation in operations[:RECENT_OPERATIONS]
        ]
        found["operations_url"] = (
            f"{reverse('admin:compute_operation_changelist')}"
            f"?{name}__id__exact={target.pk}"
        )
    return found
