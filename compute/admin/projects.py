"""Projects, their members and how much of their quotas they use."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute import clouds
from compute.access import Access
from compute.admin import quotas
from compute.admin.console import display, export, filters
from compute.admin.console.display import api_url, page_url
from compute.admin.console.edited import EditedAdmin
from compute.admin.console.forms import (
    LineField,
    LinesField,
    VersionedForm,
    active_user,
)
from compute.admin.console.history import history
from compute.admin.console.operators import actor_of, may
from compute.admin.console.pages import Link, Page
from compute.admin.console.use import compact_use, percent
from compute.models import Membership, Project, Role, User
from compute.search import id_prefix
from compute.services import projects
from compute.services import quotas as quota_service


class CloudsField(forms.CharField):
    """The clouds of a project, one alias a line: their order counts."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.Textarea(attrs={"rows": 3, "class": "vLargeTextField"})
        help_text = lazy(_about_clouds, str)()
        super().__init__(required=False, widget=widget, help_text=help_text, **kwargs)

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = map(str.strip, str(super().to_python(value)).splitlines())
        return list(filter(None, lines)) or None

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(initial != self.to_python(data))


def _about_clouds() -> str:
    return (
        f"Of {', '.join(clouds.aliases())}: one per line, the project's default first. "
        "Empty: all of them."
    )


class ProjectForm(VersionedForm):
    clouds = CloudsField()

    class Meta(VersionedForm.Meta):
        model = Project
        fields = ("name", "description", "clouds")


class ProjectCreateForm(forms.Form):
    """The arguments of `services.projects.create`."""

    name = LineField()
    description = LinesField()
    clouds = CloudsField()
    admin = LineField(
        required=False, help_text="Username of its first admin; others are added later."
    )

    def clean_admin(self) -> User | None:
        name = self.cleaned_data["admin"]
        return active_user(name) if name else None


class MembershipForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in its stubs only
    """A member's role; who is meant does not change.

    By name, as over the API: a list of users, or their numbers, is nobody's to read
    who may set members and no more.
    """

    user = LineField(label="Username")

    class Meta:
        model = Membership
        fields = ("user", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            # In a table Django gives its fields no label.
            field.widget.attrs["aria-label"] = str(field.label)
        if self.instance.pk is not None:
            self.initial["user"] = self.instance.user.get_username()
            if "user" in self.fields:
                self.fields["user"].disabled = True

    def clean_user(self) -> User:
        if self.instance.pk is not None:
            member: User = self.instance.user
            return member
        return active_user(self.cleaned_data["user"])


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
    commands = {"quota": "quota.update"}
    delete_warning = (
        "Its members are removed and its API tokens are revoked. This cannot be undone."
    )
    form = ProjectForm
    list_display = (
        "name",
        "use",
        "members",
        "description",
        "created",
    )
    exported = export.of("id", "name", "description", "created_at", "deleted_at")
    list_filter = (filters.CREATED, filters.DeletedFilter)
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of the id"
    details = ("id", "created_on", "updated_on", "deleted_on")
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

    def search(self, queryset: QuerySet[Project], text: str) -> QuerySet[Project]:
        return queryset.filter(Q(name__icontains=text) | id_prefix(text))

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
        return compact_use(max(limited, key=percent))

    # The page

    def get_readonly_fields(
        self, request: HttpRequest, obj: Project | None = None
    ) -> tuple[str, ...]:
        # The service finds its default project by name.
        fixed = ("name",) if obj is not None and obj.is_default else ()
        return (*fixed, *self.details)

    def get_form(
        self,
        request: HttpRequest,
        obj: Project | None = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        # The version is a field of the form alone: the model's is nobody's to edit.
        kwargs = {**kwargs, "fields": ProjectForm.Meta.fields}
        return super().get_form(request, obj, change, **kwargs)

    def save_formset(
        self, request: HttpRequest, form: Any, formset: Any, change: bool
    ) -> None:
        project, actor, access = form.instance, actor_of(request), Access(request.user)
        members = formset.save(commit=False)
        for member in members:
            access.require_grant(Role(member.role), project.pk)
        # New admins first: then the old one may go.
        for member in sorted(members, key=lambda member: member.role != Role.ADMIN):
            projects.set_member(
                project, member.user, role=Role(member.role), actor=actor
            )
        for member in formset.deleted_objects:
            projects.remove_member(project, member.user, actor=actor)

    def page(self, request: HttpRequest, project: Project) -> Page:
        query = f"?project={project.pk}"
        links = [
            Link(label, reverse(f"admin:compute_{noun}_changelist") + query)
            for noun, label in (("vm", "VMs"), ("apitoken", "API tokens"))
            if request.user.has_perm(f"compute.view_{noun}")
        ]
        return Page(
            links=[*links, Link("In the API", api_url(project))],
            is_deleted=project.deleted_at is not None,
            extra=quotas.table(
                request, project, url=self.command_url(project, "quota")
            ),
            delete_url=self.delete_url(request, project),
            history=history(request, project),
        )

    # What a page can ask

    def command(
        self, request: HttpRequest, project: Project, name: str
    ) -> HttpResponse:
        """Set the limits that were changed on the page."""
        form = quotas.QuotaForm(request.POST, quotas=project.quotas.all())
        if not form.is_valid():
            for field, errors in form.errors.items():
                reasons = " ".join(map(str, errors))
                messages.error(request, f"{form.fields[field].label}: {reasons}")
        elif form.limits:
            quota_service.update(project, actor=actor_of(request), limits=form.limits)
            messages.success(request, "The limits were changed.")
        return redirect(page_url(project))

    def create_form(self, request: HttpRequest, data: Any) -> ProjectCreateForm:
        return ProjectCreateForm(data)

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Project:
        if values["clouds"] is not None:
            Access(request.user).require("project.set-clouds", None)
        if values["admin"] is not None:
            Access(request.user).require_grant(Role.ADMIN, None)
        return super().create(request, values)

    def accepted(self, label: str, row: Any, changed: Any) -> SafeString:
        state = "deleted" if label == "Delete" else "there"
        return format_html("The project {} is {}.", row, state)
