"""Events: what happened, in order."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from compute.admin import display, filters
from compute.admin.base import HistoryAdmin
from compute.models import Event
from compute.models.search import id_prefix


@admin.register(Event)
class EventAdmin(HistoryAdmin[Event]):
    list_display = (
        "type",
        "created",
        "vm_page",
        "what",
        "actor",
        "project",
        "sequence",
    )
    list_select_related = ("project", "vm")
    list_filter = (filters.ProjectFilter, filters.AgeFilter)
    search_fields = ("type",)
    search_help_text = (
        "A type (vm.drifted), part of the VM's name, the beginning of its id, "
        "a request id, or who acted (user:alice)"
    )
    fields = (
        "type",
        "created_on",
        "project",
        "sequence",
        "vm_page",
        "snapshot_page",
        "operation",
        "actor",
        "request_id",
        "changes",
    )

    @admin.display(description="What")
    def what(self, event: Event) -> str:
        return display.summary(event.data) or display.NONE

    @admin.display(description="Changes")
    def changes(self, event: Event) -> SafeString | str:
        return display.pretty(event.data)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Event], search_term: str
    ) -> tuple[QuerySet[Event], bool]:
        text = search_term.strip()
        if not text:
            return queryset, False
        exact = Q(type=text) | Q(actor=text) | Q(request_id=text)
        vm = Q(vm__name__icontains=text) | id_prefix(text, field="vm_id")
        return queryset.filter(exact | vm), False
