"""Lists whose address takes what they offer, and nothing else."""

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib import admin, messages
from django.contrib.admin.exceptions import DisallowedModelAdminLookup
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from compute.admin.console import parameters

M = TypeVar("M", bound=Model)

#: Rows that one list action takes: each is a transaction of its own, in the request.
MAX_SELECTED = 500

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin as _ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin, Generic[M]):
        """Django's class is generic in its stubs only."""


class ClosedChangeList(ChangeList):
    def get_filters(self, request: HttpRequest) -> Any:
        """Refuse what no filter took, before Django makes a query of it."""
        filters: Any = super().get_filters(request)
        specs, _, others, *_ = filters
        links = self.model_admin.links  # type: ignore[attr-defined]  # of ClosedAdmin
        parameters.check_choices(specs)
        parameters.check_links(others, links)
        return filters


class ClosedAdmin(_ModelAdmin[M]):
    """Lists that cost the same at any length."""

    list_per_page = 100
    show_full_result_count = False
    # Counts beside the filters would be a query over the whole table for each choice.
    show_facets = admin.ShowFacets.NEVER
    #: Parameters by which other pages lead to a part of the list.
    links: ClassVar[tuple[str, ...]] = ()

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
        context = {"title": title, **(extra_context or {})}
        return super().changelist_view(request, context)

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
