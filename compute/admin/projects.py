"""Projects and their members."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from compute import events
from compute.admin import filters
from compute.admin.base import PageAdmin, actor_of
from compute.models import Event, Membership, Project
from compute.models.project import DEFAULT_PROJECT_NAME
from compute.models.search import id_prefix


class MembershipInline(admin.TabularInline):  # type: ignore[type-arg]  # generic in the stubs only
    model = Membership
    fields = ("user", "role")
    raw_id_fields = ("user",)
    extra = 1


@admin.register(Project)
class ProjectAdmin(PageAdmin[Project]):
    """Written here and not by a service: no other door changes projects yet."""

    list_display = (
        "name",
        "description",
        "members",
        "created",
    )
    list_filter = (filters.AgeFilter,)
    search_fields = ("name",)
    search_help_text = "Part of the name, or the beginning of the id"
    fields = ("name", "description", "id", "event_sequence", "created_at")
    inlines = (MembershipInline,)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Project]:
        counted = super().get_queryset(request).annotate(count=Count("memberships"))
        return counted.order_by("name")

    @admin.display(description="Members", ordering="count")
    def members(self, project: Project) -> int:
        count: int = project.count  # type: ignore[attr-defined]  # annotated by get_queryset
        return count

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Project], search_term: str
    ) -> tuple[QuerySet[Project], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        return queryset.filter(Q(name__icontains=text) | id_prefix(text)), False

    def get_readonly_fields(
        self, request: HttpRequest, obj: Project | None = None
    ) -> tuple[str, ...]:
        fixed = ("id", "event_sequence", "created_at")
        # The service finds its default project by name.
        is_default = obj is not None and obj.name == DEFAULT_PROJECT_NAME
        return ("name", *fixed) if is_default else fixed

    def save_model(
        self, request: HttpRequest, obj: Project, form: Any, change: bool
    ) -> None:
        changed = {
            name: [form.initial.get(name), form.cleaned_data[name]]
            for name in form.changed_data
        }
        if change:
            # By name: event_sequence moves on while somebody looks at the form.
            obj.save(update_fields=list(changed))
        else:
            obj.save()
        if changed:
            type = "project.updated" if change else "project.created"
            _record(request, obj, [(type, changed)])

    def save_formset(
        self,
        request: HttpRequest,
        form: Any,
        formset: Any,
        change: bool,
    ) -> None:
        formset.save()
        lines = [("added", member) for member in formset.new_objects]
        lines += [("changed", member) for member, _ in formset.changed_objects]
        lines += [("removed", member) for member in formset.deleted_objects]
        found = [
            (
                f"membership.{word}",
                {"user": member.user.get_username(), "role": member.role},
            )
            for word, member in lines
        ]
        if found:
            _record(request, form.instance, found)


def _record(
    request: HttpRequest, project: Project, found: list[tuple[str, dict[str, Any]]]
) -> None:
    actor = actor_of(request)
    events.record_all(
        project.pk,
        [
            Event(type=type, actor=actor.name, request_id=actor.request_id, data=data)
            for type, data in found
        ],
    )
