"""Batches: what became of an action that was asked of many VMs at once."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Case, Q, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import bulk
from compute.admin.console import display, export, filters
from compute.admin.console.history import duration
from compute.admin.console.lists import ClosedChangeList
from compute.admin.console.operators import may, require
from compute.admin.console.pages import Button, HistoryAdmin, Page, Table
from compute.limits import is_id
from compute.models import VM, Batch, BatchAction, BatchItem, OperationStatus
from compute.models.batch import Numbers
from compute.models.operation import LIVE
from compute.search import id_prefix
from compute.services import batches
from compute.services.batches import ASKS

#: What a page shows of a batch's operations, and of what was refused.
SHOWN = 50


class BatchFilter(admin.SimpleListFilter):
    """Shows only while a list of operations is one batch's: ``batch=ID``."""

    title = "batch"
    parameter_name = "batch"
    is_link = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        chosen = request.GET.get("batch")
        if chosen is None:
            return []
        if not is_id(chosen):
            raise IncorrectLookupParameters
        batch = Batch.objects.filter(pk=UUID(chosen)).first()
        return [(chosen, str(batch or chosen))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if chosen := self.value():
            return queryset.filter(batch_item__batch=UUID(chosen))
        return queryset


class BatchChangeList(ClosedChangeList):
    """Reads the numbers of a page of batches with one query."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows: list[Any] = list(self.result_list)
        numbers = BatchItem.objects.numbers([row.pk for row in rows])
        for row in rows:
            row.numbers = numbers[row.pk]
        self.result_list = rows


@admin.register(Batch)
class BatchAdmin(HistoryAdmin[Batch]):
    # And what it asks of its VMs.
    commands = {"continue": "operation.list", "again": "operation.list"}
    list_display = ("order", "state", "bar", "outcome", "requested_by", "created")
    list_filter = ("action", filters.CREATED)
    search_fields = ("requested_by",)
    search_help_text = (
        "Who asked (user:alice), a request id, or the beginning of its id"
    )
    # Of each its VMs are counted.
    list_per_page = list_max_show_all = 20
    exported = export.of("id", "action", "asked", "requested_by", "created_at")
    fields = ("id",)

    def has_view_permission(
        self, request: HttpRequest, obj: Batch | None = None
    ) -> bool:
        return may(request, "operation.list")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return BatchChangeList

    def search(self, queryset: QuerySet[Batch], text: str) -> QuerySet[Batch]:
        who = Q(request_id=text) | Q(requested_by=text)
        return queryset.filter(id_prefix(text) | who)

    @admin.display(description="Batch", ordering="action")
    def order(self, batch: Batch) -> str:
        return str(batch)

    @admin.display(description="Status")
    def state(self, batch: Any) -> SafeString:
        return _state(batch.numbers, batches.is_stalled(batch, batch.numbers))

    @admin.display(description="Ended")
    def bar(self, batch: Any) -> SafeString:
        return _bar(batch.numbers)

    @admin.display(description="Numbers")
    def outcome(self, batch: Any) -> str:
        return str(batch.numbers)

    # A page

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        response = super().render_change_form(request, context, *args, **kwargs)
        context["title"] = str(context["original"])  # it is rendered later
        return response

    def page(self, request: HttpRequest, batch: Batch) -> Page:
        numbers = batches.numbers(batch)
        is_stalled = batches.is_stalled(batch, numbers)
        return Page(
            facts=format_html(
                '{} {} <span class="quiet">requested by {}, {}</span>',
                _state(numbers, is_stalled),
                numbers,
                batch.requested_by,
                display.ago(batch.created_at),
            ),
            extra=_bar(numbers),
            buttons=list(self._buttons(request, batch, numbers, is_stalled)),
            notes=list(_notes(numbers, is_stalled)),
            tables=list(_tables(batch, numbers)) if may(request, "vm.list") else (),
        )

    def _buttons(
        self, request: HttpRequest, batch: Batch, numbers: Numbers, is_stalled: bool
    ) -> Iterator[Button]:
        needed = ("vm.list", ASKS[batch.action].action.name)
        if not all(may(request, name) for name in needed):
            return
        if is_stalled:
            url = self.command_url(batch, "continue")
            yield Button(label=f"Ask the other {numbers.not_asked:,}", url=url)
        if numbers.failed and numbers.ended == numbers.total:
            url = self.command_url(batch, "again")
            yield Button(label=f"Try the {numbers.failed:,} failed again", url=url)

    def command(self, request: HttpRequest, batch: Batch, name: str) -> HttpResponse:
        """Go on with it, or show what would be tried again."""
        require(request, "vm.list")
        require(request, ASKS[batch.action].action.name)
        if name == "continue":
            return bulk.go_on(request, batch)
        failed = VM.objects.filter(pk__in=batches.failed(batch)).order_by("name", "id")
        action, back = BatchAction(batch.action), display.page_url(batch)
        return bulk.preview(request, failed, action, back=back)


def _state(numbers: Numbers, is_stalled: bool) -> SafeString:
    if is_stalled:
        return display.tag("aside", "INTERRUPTED")
    if numbers.ended < numbers.total:
        return display.tag("busy", "RUNNING")
    return display.tag("bad" if numbers.failed else "off", "ENDED")


def _bar(numbers: Numbers) -> SafeString:
    return format_html(
        '<progress class="use" max="{}" value="{}" aria-label="Ended: {} of {}"></progress>',
        numbers.total,
        numbers.ended,
        numbers.ended,
        numbers.total,
    )


def _notes(numbers: Numbers, is_stalled: bool) -> Iterator[str]:
    if is_stalled:
        yield (
            f"This batch was interrupted: {numbers.not_asked:,} of its VMs were not "
            "asked. The others are not asked again."
        )


def _tables(batch: Batch, numbers: Numbers) -> Iterator[Table]:
    url = f"{reverse('admin:compute_operation_changelist')}?batch={batch.pk}"
    items = batch.items.select_related("vm", "operation").defer("vm__user_data")
    # What wants a look comes first.
    order = Case(
        When(operation__status=OperationStatus.FAILED, then=Value(0)),
        When(operation__status__in=LIVE, then=Value(1)),
        default=Value(2),
    )
    accepted = items.filter(operation__isnull=False).order_by(order, "position")
    if numbers.refused:
        more = numbers.refused - SHOWN
        yield Table(
            title="Refused",
            columns=("VM", "Status now", "Reason"),
            rows=[
                (display.link(item.vm), display.badge(item.vm.status), item.refusal)
                for item in items.refused().order_by("position")[:SHOWN]
            ],
            nothing="",
            note=f"And {more:,} more." if more > 0 else "",
        )
    yield Table(
        title="Operations",
        columns=("VM", "Status", "Details", "Took", "Operation"),
        rows=[_line(item) for item in accepted[:SHOWN]],
        nothing="No VM has accepted it.",
        note=format_html(
            '<a href="{}">All {} operations of this batch</a>',
            url,
            f"{numbers.accepted:,}",
        ),
    )


def _line(item: BatchItem) -> tuple[SafeString | str, ...]:
    operation = item.operation
    if operation is None:
        return ()
    reason = (operation.error or {}).get("detail", "")
    return (
        display.link(item.vm),
        display.badge(operation.status),
        operation.step if operation.is_live else display.short(reason, 200),
        duration(operation),
        format_html('<a href="{}">{}</a>', display.page_url(operation), operation.type),
    )
