"""What the pages of networks, routers, floating IPs and security groups share."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute import clouds
from compute.admin import offers, retries
from compute.admin.console import display, export, filters
from compute.admin.console.display import api_url
from compute.admin.console.forms import (
    ActionForm,
    LabelsField,
    LineField,
    LinesField,
    OwnedForm,
    living_project,
)
from compute.admin.console.history import LiveLine
from compute.admin.console.operators import (
    actor_of,
    add_errors,
    may,
    requested,
)
from compute.admin.console.pages import Button, Link, Page, Table
from compute.admin.console.tabs import OVERVIEW, TabbedAdmin
from compute.admin.offers import Offers
from compute.errors import Problem
from compute.events import Actor
from compute.models import NetworkResource, OperationStatus, Project, ResourceStatus
from compute.search import id_prefix
from compute.services.actions import Action
from compute.services.resources.requests import check_own

N = TypeVar("N", bound=NetworkResource)


class ResourceForm(OwnedForm):
    class Meta(OwnedForm.Meta):
        fields: ClassVar[tuple[str, ...]] = ("name", "description", "labels")


class ResourceCreateForm(forms.Form):
    """What the services take to create any of them, by the names that errors point at."""

    name = LineField()
    project = LineField(help_text="Name or id.")
    cloud = forms.ChoiceField(required=False)
    description = LinesField()
    labels = LabelsField()

    def __init__(self, data: Any = None) -> None:
        super().__init__(data)
        if data is None:
            self.initial["project"] = str(Project.objects.default().pk)
        aliases = ((alias, alias) for alias in clouds.aliases())
        choices = [("", "the default of the project"), *aliases]
        self.fields["cloud"] = forms.ChoiceField(choices=choices, required=False)

    def clean_project(self) -> Project:
        return living_project(self.cleaned_data["project"])

    def clean_cloud(self) -> str | None:
        return self.cleaned_data["cloud"] or None


class Part(NamedTuple):
    """What is added on the page of the thing that it belongs to."""

    label: str
    permission: str
    #: Takes the thing, and what was typed if there is any.
    form: Callable[[Any, Any], forms.Form]
    #: Takes the thing, who asks and what was typed; returns the new row.
    add: Callable[[Any, Actor, dict[str, Any]], Any]


class NetworkResourceAdmin(TabbedAdmin[N]):
    """Rows of a project, which can be changed, and of the cloud, which cannot."""

    #: What can be asked beside a delete, by its verb.
    verbs: ClassVar[Mapping[str, Action]] = {}
    #: What there is to choose from for the arguments of these.
    offers: ClassVar[Offers] = {}
    #: What can be added on a page, by the last part of its address.
    parts: ClassVar[Mapping[str, Part]] = {}
    #: What a page and a list show of other rows.
    joins: ClassVar[Sequence[str]] = ()
    list_filter: ClassVar[Any] = (
        filters.StatusFilter,
        filters.ProjectFilter,
        filters.CloudFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    exported = export.of(
        *("id", "name", "status", "project.name", "cloud", "provider_id"),
        *("created_at", "deleted_at"),
    )
    search_fields = ("name",)
    actions = None

    owner = staticmethod(display.owner_column)
    cloud_id = staticmethod(display.plain_field("provider_id", "Id in the cloud"))

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        cls.commands = {
            **{verb: action.name for verb, action in cls.verbs.items()},
            **{name: part.permission for name, part in cls.parts.items()},
        }

    def get_queryset(self, request: HttpRequest) -> QuerySet[N]:
        joins = ("operation", "project", *self.joins)
        return super().get_queryset(request).select_related(*joins)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_offered(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return not _is_offered(obj) and super().has_delete_permission(request, obj)

    def search(self, queryset: QuerySet[N], text: str) -> QuerySet[N]:
        found = Q(name__icontains=text) | id_prefix(text) | self.also_found_by(text)
        return queryset.filter(found)

    def also_found_by(self, text: str) -> Q:
        """Return what a search looks for beside names and ids."""
        return Q()

    # A page

    def links_of(self, request: HttpRequest, row: N) -> Sequence[Link]:
        """Return where the page leads, beside the API."""
        return ()

    def facts(self, request: HttpRequest, row: N) -> SafeString | str:
        """Return in a few words what a row is."""
        raise NotImplementedError

    def tables(self, request: HttpRequest, row: N) -> Sequence[Table]:
        """Return what belongs to a row."""
        return ()

    def page(self, request: HttpRequest, row: N) -> Page:
        operation = row.operation if may(request, "operation.list") else None
        live = operation if operation and operation.is_live else None
        has_failed = operation and operation.status == OperationStatus.FAILED
        verbs = [self.verbs[name] for name in row.allowed_actions if name in self.verbs]
        hides_tables = row.deleted_at or self.tab(request, row) != OVERVIEW
        note = f"The cloud offers this {self.opts.verbose_name} to all projects."
        return Page(
            links=[*self.links_of(request, row), Link("In the API", api_url(row))],
            facts=format_html(
                '{} {} <span class="quiet">in</span> {}',
                display.badge(row.status),
                self.facts(request, row),
                row.cloud,
            ),
            error=row.error or (operation.error if operation and has_failed else None),
            # What is under way may well mend it.
            suffers=row.error is not None and not live,
            live=LiveLine(request, live) if live else None,
            is_deleted=row.deleted_at is not None,
            buttons=[
                *retries.buttons(request, operation, row),
                *self._adding(request, row),
                *offers.buttons(request, row, verbs, self.offers, url=self.command_url),
            ],
            delete_url=(
                self.delete_url(request, row) if "delete" in row.allowed_actions else ""
            ),
            notes=[note] if row.is_offered else [],
            tables=() if hides_tables else self.tables(request, row),
            history=self.past(request, row),
            stream_url=self.stream_url(request, row),
        )

    def _adding(self, request: HttpRequest, row: N) -> list[Button]:
        if row.status != ResourceStatus.ACTIVE or not row.allowed_actions:
            return []
        buttons = []
        for name, part in self.parts.items():
            if may(request, part.permission):
                form = part.form(row, None)
                form.auto_id = False
                url = self.command_url(row, name)
                buttons.append(Button(label=part.label, url=url, form=form))
        return buttons

    # What a page can ask

    def command(self, request: HttpRequest, row: N, name: str) -> HttpResponse:
        """Ask for an action of the table, or add a part."""
        if name in self.verbs:
            return self.ask(request, row, ActionForm(self.verbs[name], request.POST))
        if row.deleted_at is not None:
            return self.gone(request, row)
        part = self.parts[name]
        form = part.form(row, request.POST)
        if form.is_valid():
            try:
                check_own(row)
                made = part.add(row, actor_of(request), form.cleaned_data)
            except Problem as problem:
                self.refused(request, problem, row)
                add_errors(form, problem)
            else:
                text = f"Creation of {made} is under way"
                messages.success(request, requested(text, made.operation))
                return redirect(self.way_back(request, row))
        context = {
            **self.admin_site.each_context(request),
            "title": f"{part.label} to {row}",
            "opts": self.opts,
            "form": form,
        }
        return TemplateResponse(request, "admin/compute/add.html", context)


def _is_offered(row: NetworkResource | None) -> bool:
    return row is not None and row.is_offered


def ranges_of(row: Any) -> str:
    """Return the ranges of the subnets of a network or router, as its body has them."""
    return ", ".join(subnet["cidr"] for subnet in row.subnets) or display.NONE
