"""Pages in tabs: each has an address of its own, and reads what it shows."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from compute.admin.console import display
from compute.admin.console.edited import EditedAdmin
from compute.admin.console.history import History, history
from compute.admin.console.operators import may
from compute.admin.console.pages import Tab
from compute.admin.console.parameters import UnknownParameterError, kept_filters
from compute.models import NetworkResource, subjects
from compute.models.owned import CloudResource

R = TypeVar("R", bound=CloudResource)

OVERVIEW, OPERATIONS, EVENTS, EDIT = "overview", "operations", "events", "edit"
#: What an overview shows of what can be edited.
_EDITABLE = ("description", "labels_shown")
#: What the overview shows of the past.
NEWEST_OPERATIONS = 5
NEWEST_EVENTS = 10


class TabbedAdmin(EditedAdmin[R]):
    """Rows of which there is much to show, and little to change."""

    #: Of this noun alone: slug -> label and the permission that it takes.
    own_tabs: ClassVar[Mapping[str, tuple[str, str]]] = {}

    id_shown = staticmethod(display.copyable_field("id", "ID"))
    labels_shown = staticmethod(display.labels_field)

    def tabs(self, request: HttpRequest, row: R) -> Mapping[str, str]:
        """Return the labels of the tabs that an operator may open, by slug."""
        taken = {
            OPERATIONS: ("Operations", "operation.list"),
            EVENTS: ("Events", "event.list"),
            **self.own_tabs,
        }
        labels = {OVERVIEW: "Overview"}
        labels.update(
            (slug, label)
            for slug, (label, permission) in taken.items()
            if may(request, permission)
        )
        if self.has_change_permission(request, row):
            labels[EDIT] = "Edit"
        return labels

    def tab(self, request: HttpRequest, row: R) -> str:
        """Return the slug of the tab that is asked for, if it can be shown.

        What is sent is the form of the last tab. Raises UnknownParameterError.
        """
        if request.method == "POST":
            return EDIT
        slug = request.GET.get("tab", OVERVIEW)
        if slug not in {OVERVIEW, OPERATIONS, EVENTS, EDIT, *self.own_tabs}:
            raise UnknownParameterError(f"This page has no tab “{slug}”.")
        return slug if slug in self.tabs(request, row) else OVERVIEW

    def past(self, request: HttpRequest, row: R) -> History:
        """Return what the chosen tab shows of the past of a row."""
        match self.tab(request, row):
            case "overview":
                newest = {"operations": NEWEST_OPERATIONS, "events": NEWEST_EVENTS}
                return history(request, row, **newest)
            case "operations":
                return history(request, row, events=0)
            case "events":
                return history(request, row, operations=0)
        return History()

    def stream_url(self, request: HttpRequest, row: R) -> str:
        """Return where the events of a row are told as they happen, to who may see them."""
        is_offered = isinstance(row, NetworkResource) and row.is_offered
        if is_offered or not may(request, "event.list"):
            return ""
        subject = subjects.path(row.kind, row.pk)
        return f"{reverse('event-stream')}?project={row.project_id}&subject={subject}"

    def response_change(self, request: HttpRequest, obj: R) -> HttpResponse:
        """Go back to the form itself for who goes on with it."""
        answer = super().response_change(request, obj)
        if "_continue" in request.POST and isinstance(answer, HttpResponseRedirect):
            kept = kept_filters(request).replace("?", "&", 1)
            return HttpResponseRedirect(f"{request.path}?tab={EDIT}{kept}")
        return answer

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        if self.tab(request, obj) == EDIT:
            return [(None, {"fields": (*self.form.Meta.fields, "version")})]
        return [("Details", {"fields": (*self.details, *_EDITABLE)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if self.tab(request, obj) == EDIT else (*self.details, *_EDITABLE)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: R | None = None,
    ) -> HttpResponse:
        if obj is not None:
            chosen = self.tab(request, obj)
            kept = kept_filters(request)
            context["kept_filters"] = kept
            context["tabs"] = [
                Tab(label, f"?tab={slug}{kept.replace('?', '&', 1)}", slug == chosen)
                for slug, label in self.tabs(request, obj).items()
            ]
            context.update(is_form=chosen == EDIT, shows_details=chosen == OVERVIEW)
        return super().render_change_form(request, context, add, change, form_url, obj)
