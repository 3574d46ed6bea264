"""Lists whose address takes what they offer, and nothing else."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ALL_VAR, ORDER_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from compute.admin.console import export, parameters
from compute.admin.console.menus import Chip, Menu, chips, menus

M = TypeVar("M", bound=Model)

#: Rows that one list action takes: each is a transaction of its own, in the request.
MAX_SELECTED = 500
#: Rows that a list counts and has pages of; the others are found by filters.
MAX_COUNTED = 5000
#: Behind so many rows those of a page are looked up by their ids: passing over the others
#: shall not join each with all that a row shows.
FAR = 1000

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's class is generic in its stubs only."""


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # generic in its stubs only
    """Counts no further than to `MAX_COUNTED`, where its pages end, too."""

    @cached_property
    def _counted(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[: MAX_COUNTED + 1].count())

    @property
    def count(self) -> int:
        return min(self._counted, MAX_COUNTED)

    def page(self, number: Any) -> Any:
        page: Any = super().page(number)
        if page.start_index() > FAR:
            rows: Any = self.object_list
            ids = list(page.object_list.values_list("pk", flat=True))
            page.object_list = rows.filter(pk__in=ids)
        return page

    @property
    def is_cut(self) -> bool:
        return self._counted > MAX_COUNTED


class ClosedChangeList(ChangeList):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Django would resolve the address of each row to find out whether they fit.
        self._list_query, self.preserved_filters = self.preserved_filters, ""

    def url_for_result(self, result: Any) -> str:
        url: str = super().url_for_result(result)
        return f"{url}?{self._list_query}" if self._list_query else url

    @property
    def given(self) -> dict[str, str]:
        """What narrows and orders it, as its address has that."""
        return {name: values[-1] for name, values in self.filter_params.items()}

    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what no filter took, before Django makes a query of it."""
        filters: Any = super().get_filters(request)
        specs, _, others, *_ = filters
        links = self.model_admin.links  # type: ignore[attr-defined]  # of ClosedAdmin
        parameters.check_choices(specs)
        parameters.check_links(others, links)
        self._links = [name for name in links if name in others]
        return filters

    def get_ordering_field(self, field_name: Any) -> Any:
        """Order by what the headings offer; Django would by any column."""
        is_offered = self.sortable_by is None or field_name in self.sortable_by
        return super().get_ordering_field(field_name) if is_offered else None

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not (self.query or self.has_active_filters or self._links):
            self.can_show_all = False

    def complete(self, rows: Sequence[Any]) -> None:
        """Add what the rows of one page, or of one part of a file, show of others."""

    @cached_property
    def menus(self) -> Sequence[Menu]:
        return list(menus(self))

    @cached_property
    def chips(self) -> Sequence[Chip]:
        return list(chips(self))

    @property
    def clear_url(self) -> str:
        return self.get_query_string(
            remove=[name for name in self.given if name != ORDER_VAR]
        )

    @property
    def csv_query(self) -> str:
        return self.get_query_string(remove=[ALL_VAR])

    def linked(self) -> Iterator[tuple[str, str, str]]:
        """Yield the links that narrow it: parameter, noun and what it names."""
        for name in self._links:
            field: Any = self.opts.get_field(name.partition("__")[0])
            model, id = field.related_model, self.given[name]
            row = model._default_manager.filter(pk=id).first()
            yield name, capfirst(model._meta.verbose_name), str(row or id)


class ClosedAdmin(_ModelAdmin[M]):
    """Lists that cost the same at any length."""

    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False
    # Counts beside the filters would be a query over the whole table for each choice.
    show_facets = admin.ShowFacets.NEVER
    #: Parameters by which other pages lead to a part of the list.
    links: ClassVar[tuple[str, ...]] = ()
    #: The columns of its CSV file; without them there is none.
    exported: ClassVar[export.Columns] = {}

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.csv_view)
        name = f"{self.opts.app_label}_{self.opts.model_name}_csv"
        return [path("csv/", view, name=name), *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ClosedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Show the list, or do what was asked of some of its rows.

        Django ignores an action that an operator is not offered; we refuse it.
        """
        parameters.check_list(request)
        parameters.check_selected(request, self.opts.pk)
        action = request.POST.get("action", "")
        if action in (self.actions or ()) and action not in self.get_actions(request):
            raise PermissionDenied(f"{action} is not permitted.")
        title = capfirst(self.opts.verbose_name_plural)
        context = {
            "title": title,
            "max_exported": export.MAX_ROWS,
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def action_checkbox(self, obj: M) -> SafeString:
        # Django renders a template for each: a fifth of the time of a list.
        return format_html(
            '<input type="checkbox" name="{}" value="{}" class="action-select"'
            ' aria-label="Select this object for an action - {}">',
            ACTION_CHECKBOX_NAME,
            obj.pk,
            obj,
        )

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        try:
            return super().get_changelist_instance(request)
        except (
            DisallowedModelAdminLookup,
            IncorrectLookupParameters,
        ) as error:
            raise parameters.UnknownParameterError(
                "This list cannot show what the address asks for."
            ) from error

    def csv_view(self, request: HttpRequest) -> HttpResponseBase:
        """Send the list, narrowed and ordered as its address says, as a file."""
        parameters.check_list(request)
        if not self.exported:
            raise Http404
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        changelist: Any = self.get_changelist_instance(request)
        return export.answer(changelist, self.exported)

    def selected(self, request: HttpRequest, queryset: QuerySet[M]) -> list[M] | None:
        """Return the rows of a list action; tell the operator if they are too many."""
        rows = list(queryset[: MAX_SELECTED + 1])
        if len(rows) <= MAX_SELECTED:
            return rows
        names = self.opts.verbose_name_plural
        messages.error(
            request,
            f"Nothing was done: select at most {MAX_SELECTED} {names} at once.",
        )
        return None
