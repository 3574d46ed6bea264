"""Operations: history, and a way to cancel what has not ended."""

from datetime import timedelta
from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.safestring import SafeString

from compute.admin import retries
from compute.admin.batches import BatchFilter
from compute.admin.console import about, display, export, filters
from compute.admin.console.about import AboutChangeList, AboutFilter
from compute.admin.console.display import api_url, page_url
from compute.admin.console.history import LiveLine, duration, history
from compute.admin.console.operators import actor_of, may, refused
from compute.admin.console.pages import HistoryAdmin, Link, Page
from compute.engine import runner
from compute.errors import Problem
from compute.models import Operation, OperationType, kinds
from compute.search import id_prefix, named


class TypeFilter(admin.SimpleListFilter):
    """By the words that operations have everywhere else: vm.stop, not "Vm Stop"."""

    title = "operation"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [(type, type) for type in OperationType.values]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(type=self.value()) if self.value() else queryset


class EndFilter(admin.SimpleListFilter):
    """By whether it has ended, and how long ago."""

    title = "end"
    parameter_name = "ended"
    DAYS: ClassVar = {"24h": 1, "7d": 7, "30d": 30}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [
            ("no", "Under way"),
            ("24h", "Past 24 hours"),
            ("7d", "Past 7 days"),
            ("30d", "Past 30 days"),
        ]

    def queryset(self, request: HttpRequest, queryset: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = queryset
        value = self.value()
        if value == "no":
            rows = queryset.live()
        elif value in self.DAYS:
            days = timedelta(days=self.DAYS[value])
            rows = queryset.ended_since(timezone.now() - days)
        return rows


@admin.register(Operation)
class OperationAdmin(HistoryAdmin[Operation]):
    commands = {"cancel": "operation.cancel"}
    list_display = (
        "kind",
        "badge",
        "target",
        "why",
        "project",
        "requested_by",
        "created",
        "took",
    )
    sortable_by = ("created",)
    list_select_related = ("project",)
    links = ("project__id__exact",)
    list_filter = (
        AboutFilter,
        BatchFilter,
        filters.StatusFilter,
        EndFilter,
        TypeFilter,
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.CREATED,
    )
    search_fields = ("type",)
    search_help_text = (
        "Part of the target's name, the beginning of its id or of the operation's, "
        "a request id, or who asked (user:alice)"
    )
    exported = {
        **export.of("id", "type", "status", "target_kind", "target_id"),
        "target": about.name_of("target"),
        "error": lambda operation: display.reason(operation.error),
        **export.of("project.name", "cloud", "requested_by", "request_id"),
        **export.of("created_at", "started_at", "finished_at"),
    }
    fields = (
        "id",
        "kind",
        "badge",
        "target",
        "related",
        "project",
        "cloud",
        "requested_by",
        "request_id",
        "arguments",
        "progress_shown",
        "attempts",
        "created_on",
        "started_on",
        "finished_on",
        "took",
        "due_on",
    )

    target = staticmethod(about.column("target", "Target"))
    related = staticmethod(about.column("related", "Related"))
    started_on = staticmethod(display.exact_field("started_at", "Started"))
    finished_on = staticmethod(display.exact_field("finished_at", "Finished"))
    due_on = staticmethod(display.exact_field("deadline", "Deadline"))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return AboutChangeList

    @admin.display(description="Operation", ordering="type")
    def kind(self, operation: Operation) -> str:
        return operation.type

    @admin.display(description="Took")
    def took(self, operation: Operation) -> str:
        return duration(operation)

    @admin.display(description="Error")
    def why(self, operation: Operation) -> str:
        reason = display.reason(operation.error)
        return display.short(reason, display.MAX_VALUE) or display.NONE

    @admin.display(description="Arguments")
    def arguments(self, operation: Operation) -> SafeString | str:
        return display.pretty(operation.params)

    @admin.display(description="Progress")
    def progress_shown(self, operation: Operation) -> str:
        words = [f"{operation.progress} %", operation.step]
        if operation.cancel_requested:
            words.append("(cancel requested)")
        return " ".join(filter(None, words))

    def search(self, queryset: QuerySet[Operation], text: str) -> QuerySet[Operation]:
        about = named(text, kind="target_kind", id="target_id")
        who = Q(request_id=text) | Q(requested_by=text)
        return queryset.filter(about | id_prefix(text) | who)

    def page(self, request: HttpRequest, operation: Operation) -> Page:
        target = kinds.target(operation)
        links = [Link(f"Its {target._meta.verbose_name}", page_url(target))]
        sees = may(request, "vm.create") and may(request, "vm.retrieve")
        if operation.type == OperationType.VM_CREATE and sees:
            url = f"{reverse('admin:compute_vm_add')}?like={target.pk}"
            links.append(Link("Create another like this", url))
        return Page(
            links=[*links, Link("In the API", api_url(operation))],
            facts=format_html(
                '{} {} <span class="quiet">of</span> {}',
                display.badge(operation.status),
                operation.type,
                display.link(target),
            ),
            error=operation.error,
            suffers=operation.pk == target.operation_id,
            buttons=list(retries.buttons(request, operation, target)),
            live=LiveLine(request, operation) if operation.is_live else None,
            history=history(request, operation),
        )

    def command(
        self, request: HttpRequest, operation: Operation, name: str
    ) -> HttpResponse:
        """Cancel it, and go back to the page that asked."""
        try:
            operation = runner.cancel(operation, actor=actor_of(request))
        except Problem as problem:
            reason = refused(
                request,
                problem,
                project_id=operation.project_id,
                target=operation,
            )
            messages.error(request, reason)
        else:
            word = "is being cancelled" if operation.is_live else "is cancelled"
            messages.success(request, f"Operation {operation.type} {word}.")
        back = request.POST.get("next", "")
        is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
        return redirect(back if is_ours else page_url(operation))
