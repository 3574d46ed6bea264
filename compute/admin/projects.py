"""Projects, their members and how much of their quotas they use."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.access import Access
from compute.admin.console import display, filters
from compute.admin.console.base import (
    EditedAdmin,
    actor_of,
    add_errors,
    history,
    may,
    refused,
    require,
)
from compute.admin.console.display import page_url
from compute.admin.console.forms import (
    MembershipForm,
    ProjectCreateForm,
    ProjectForm,
    QuotaForm,
)
from compute.errors import Problem
from compute.models import Membership, Project, Role
from compute.models.search import id_prefix
from compute.services import projects, quotas


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    model = Membership
    form = MembershipForm
    fields = ("user", "role")
    extra = 1
    verbose_name = "member"
    verbose_name_plural = "members"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Membership]:
        # Each row names both.
        return super().get_queryset(request).select_related("user", "project")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "member.list")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "member.set")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "member.set")

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, "member.remove")


@admin.register(Project)
class ProjectAdmin(EditedAdmin[Project]):
    services = projects
    delete_warning = "Its members leave it and its API tokens are revoked, for good."
    form = ProjectForm
    list_display = (
        "name",
        "use",
        "members",
        "description",
        "created",
    )
    list_filter = (filters.AgeFilter, filters.DeletedFilter)
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of the id"
    fieldsets = (
        (None, {"fields": ("name", "description")}),
        (
            "Details",
            {"fields": ("id", "created_on", "updated_on", "deleted_on", "version")},
        ),
    )
    readonly_fields = ("id", "created_on", "updated_on", "deleted_on")
    inlines = (MembershipInline,)

    def has_delete_permission(
        self, request: HttpRequest, obj: Project | None = None
    ) -> bool:
        # Never the default project: it takes what names none.
        stays = obj is not None and obj.is_default
        return not stays and super().has_delete_permission(request, obj)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        counted = super().get_queryset(request).annotate(count=Count("memberships"))
        return counted.prefetch_related("quotas").order_by("name")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Project], search_term: str
    ) -> tuple[QuerySet[Project], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        return queryset.filter(Q(name__icontains=text) | id_prefix(text)), False

    # The list

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        takes = {"use": "quota.retrieve", "members": "member.list"}
        return [
            column
            for column in self.list_display
            if column not in takes or may(request, takes[column])
        ]

    @admin.display(description="Members", ordering="count")
    def members(self, project: Project) -> int:
        count: int = project.count  # type: ignore[attr-defined]  # annotated by get_queryset
        return count

    @admin.display(description="Fullest quota")
    def use(self, project: Project) -> SafeString | str:
        limited = [row for row in project.quotas.all() if row.limit is not None]
        if not limited:
            return display.NONE
        return display.compact_use(max(limited, key=display.percent))

    # The page

    def get_readonly_fields(
        self, request: HttpRequest, obj: Project | None = None
    ) -> tuple[str, ...]:
        # The service finds its default project by name.
        fixed = ("name",) if obj is not None and obj.is_default else ()
        return (*fixed, *self.readonly_fields)

    def get_form(
        self,
        request: HttpRequest,
        obj: Project | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        # The version is a field of the form alone: the model's is nobody's to edit.
        kwargs = {**kwargs, "fields": ("name", "description")}
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.refused = getattr(request, "refused_because", None)
        return form

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
            # All of it is undone: show it again as it was typed, with the reason.
            row = self.get_object(request, unquote(object_id or ""))
            reason = self.refused(request, problem, row)
            request.refused_because = reason  # type: ignore[attr-defined]  # read by get_form
            return super().changeform_view(request, object_id, form_url, context)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        project, actor, access = form.instance, actor_of(request), Access(request.user)
        found = [*formset.save(commit=False)]
        for member in found:
            access.require_grant(Role(member.role), project.pk)
        # New admins first: then the old one may go.
        for member in sorted(found, key=lambda member: member.role != Role.ADMIN):
            projects.set_member(
                project, member.user, role=Role(member.role), actor=actor
            )
        for member in formset.deleted_objects:
            projects.remove_member(project, member.user, actor=actor)

    def page(self, request: HttpRequest, project: Project) -> dict[str, Any]:
        editable = project.deleted_at is None and may(request, "quota.update")
        form = QuotaForm(quotas=project.quotas.all())
        return {
            "project": project,
            "uses": [
                display.UseLine(row, form[row.resource] if editable else None)
                for row in project.quotas.all()
                if may(request, "quota.retrieve")
            ],
            "limits_editable": editable,
            "quota_url": reverse("admin:compute_project_quota", args=[project.pk]),
            "can_delete": self.has_delete_permission(request, project),
            "delete_url": reverse("admin:compute_project_delete", args=[project.pk]),
            "vms_url": _list_url("vm", project),
            "tokens_url": _list_url("apitoken", project),
            "api_url": reverse("project-detail", kwargs={"id": project.pk}),
            **history(request, target=project),
        }

    # What a page can ask

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.quota_view)
        own = path("<uuid:pk>/quota/", view, name="compute_project_quota")
        return [own, *super().get_urls()]

    def quota_view(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Set the limits that were changed on the page."""
        require(request, "quota.update")
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        project = self.get_object(request, str(pk))
        if project is None:
            return self.not_found(request, str(pk))
        form = QuotaForm(request.POST, quotas=project.quotas.all())
        if not form.is_valid():
            for name, errors in form.errors.items():
                reasons = " ".join(map(str, errors))
                messages.error(request, f"{form.fields[name].label}: {reasons}")
        elif form.limits:
            quotas.update(project, actor=actor_of(request), limits=form.limits)
            messages.success(request, "The limits were changed.")
        return redirect(page_url(project))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Create a project, with the quotas of the settings."""
        require(request, "project.create")
        form = ProjectCreateForm(request.POST or None)
        if form.is_valid() and (project := _create(request, form)):
            messages.success(request, f"The project {project} is there.")
            return redirect(page_url(project))
        context = {
            **self.admin_site.each_context(request),
            "title": "Add project",
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/compute/add.html", context)

    def accepted(self, label: str, row: Any, changed: None) -> SafeString:
        return format_html("The project {} is deleted.", row)


def _list_url(noun: str, project: Project) -> str:
    return f"{reverse(f'admin:compute_{noun}_changelist')}?project={project.pk}"


def _create(request: HttpRequest, form: ProjectCreateForm) -> Project | None:
    """Create what a valid form asks for, or tell the form why not."""
    try:
        if form.cleaned_data["admin"] is not None:
            Access(request.user).require_grant(Role.ADMIN, None)
        return projects.create(actor=actor_of(request), **form.cleaned_data)
    except Problem as problem:
        refused(request, problem, project_id=None)
        add_errors(form, problem)
        return None
