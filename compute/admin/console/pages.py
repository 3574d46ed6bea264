"""The page of a row: what an admin declares of it, around Django's form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from compute.admin.console import display
from compute.admin.console.history import History, LiveLine
from compute.admin.console.lists import ClosedAdmin, M
from compute.admin.console.operators import require


class Link(NamedTuple):
    label: str
    url: str


class Tab(NamedTuple):
    label: str
    url: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """What can be asked of a row; with a form or a note it opens before it asks."""

    label: str
    url: str
    note: str = ""
    form: forms.Form | None = None
    is_danger: bool = False
    #: Whether there is anything to ask; else the note says why not.
    can_send: bool = True

    @property
    def opens(self) -> bool:
        return bool(self.note or (self.form and self.form.fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What belongs to a row, a line each."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[SafeString | str]]
    #: What it says without lines.
    nothing: str
    #: Below the lines, such as that there are more.
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a page shows around the form, top to bottom; empty parts are left out."""

    links: Sequence[Link] = ()
    has_django_history: bool = False
    #: In one line, what it is.
    facts: SafeString | str = ""
    #: A stored problem, and whether the row still suffers from it.
    error: Mapping[str, Any] | None = None
    suffers: bool = False
    live: LiveLine | None = None
    is_deleted: bool = False
    #: What this noun alone has.
    extra: SafeString | str = ""
    buttons: Sequence[Button] = ()
    delete_url: str = ""
    notes: Sequence[str] = ()
    tables: Sequence[Table] = ()
    #: What the chosen tab alone has, below the tables.
    part: SafeString | str = ""
    history: History | None = None
    #: Where its events are told as they happen.
    stream_url: str = ""

    @property
    def has_panel(self) -> bool:
        return any(
            (
                *(self.facts, self.error, self.live, self.is_deleted, self.extra),
                *(self.buttons, self.delete_url, self.notes),
            )
        )


class PageAdmin(ClosedAdmin[M]):
    """Rows that nobody removes, each with a page of its own."""

    #: What a delete costs, for the page that asks again.
    delete_warning = ""
    #: What the buttons of a page ask for -> the permission that takes.
    commands: ClassVar[Mapping[str, str]] = {}

    badge = staticmethod(display.status_column)
    created = staticmethod(display.ago_column("created_at", "Created"))
    created_on = staticmethod(display.exact_field("created_at", "Created"))
    updated_on = staticmethod(display.exact_field("updated_at", "Updated"))
    deleted_on = staticmethod(display.exact_field("deleted_at", "Deleted"))
    project_page = staticmethod(display.link_column("project", "Project"))

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        text = search_term.strip()
        return (self.search(queryset, text) if text else queryset), False

    def search(self, queryset: QuerySet[M], text: str) -> QuerySet[M]:
        """Return the rows that a text, which is not empty, is about."""
        raise NotImplementedError

    def page(self, request: HttpRequest, row: M) -> Page:
        """Return what the page of a row shows around the form."""
        return Page()

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
            context.update(
                page=self.page(request, stored),
                title=f"{capfirst(self.opts.verbose_name)} {stored}",
                subtitle=None,
                show_delete=False,
            )
        return super().render_change_form(request, context, add, change, form_url, obj)

    # What a page can ask

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.command_view)
        route = "<uuid:pk>/actions/<slug:name>/"
        return [path(route, view, name=self._command_view_name), *super().get_urls()]

    @property
    def _command_view_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_command"

    def command_url(self, row: M, name: str) -> str:
        """Return where a button for one of `commands` sends to."""
        return reverse(f"admin:{self._command_view_name}", args=[row.pk, name])

    def command_view(self, request: HttpRequest, pk: UUID, name: str) -> HttpResponse:
        """Do what a button says."""
        if name not in self.commands:
            raise Http404
        require(request, self.commands[name])
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        row = self.get_object(request, str(pk))
        if row is None:
            return self.not_found(request, str(pk))
        return self.command(request, row, name)

    def command(self, request: HttpRequest, row: M, name: str) -> HttpResponse:
        """Do one of `commands` with a row."""
        raise NotImplementedError

    def confirm_delete(
        self, request: HttpRequest, row: Any, *, back: str
    ) -> TemplateResponse:
        """Show what would be deleted."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Delete this {self.opts.verbose_name}?",
            "opts": self.opts,
            "row": row,
            "badge": self.badge(row) if hasattr(row, "status") else "",
            "warning": self.delete_warning,
            "back": back,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "admin/compute/confirm_delete.html", context)

    def not_found(self, request: HttpRequest, object_id: str) -> HttpResponseRedirect:
        messages.warning(request, f"There is no {self.opts.verbose_name} {object_id}.")
        return redirect(reverse("admin:index"))


class HistoryAdmin(PageAdmin[M]):
    """Rows that the service alone writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False
