"""Rows that a service creates, with a form of what it takes."""

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString

from compute.admin.console.forms import LineField, RowField
from compute.admin.console.lists import M
from compute.admin.console.operators import add_errors, may, refused, require
from compute.admin.console.pages import PageAdmin
from compute.errors import Problem
from compute.models import Project

#: Projects to choose from in one list; it needs no script.
MAX_PROJECTS = 200


class CreatedAdmin(PageAdmin[M]):
    #: Whether its form shows what a row would take of the quotas.
    has_preview: ClassVar[bool] = False

    @property
    def noun(self) -> str:
        """What its permissions call it."""
        return str(getattr(self.model, "kind", self.opts.model_name))

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a form of what the service takes to create a row, and have it do so."""
        require(request, f"{self.noun}.create")
        if not self.has_add_permission(request):
            raise PermissionDenied
        if "_preview" in request.POST:
            return self._show(request, self._form(request, None), typed=True)
        form = self._form(request, request.POST or None)
        if form.is_valid():
            try:
                made = self.create(request, form.cleaned_data)
            except Problem as problem:
                project = form.cleaned_data.get("project")
                refused(request, problem, project_id=project and project.pk)
                add_errors(form, problem)
            else:
                return self.answer(request, made)
        return self._show(request, form, typed=bool(request.POST))

    def _form(self, request: HttpRequest, data: Any) -> forms.Form:
        """Return the form, with projects to choose by name for who may see them."""
        form = self.create_form(request, data)
        field = form.fields.get("project")
        if isinstance(field, LineField) and may(request, "project.list"):
            # What is sent stays text, an id or a name.
            field.widget = self._projects()
            field.help_text = ""
        return form

    def _projects(self) -> forms.Widget:
        """Return a list of projects; where they are many, one that is searched."""
        rows = Project.objects.alive().order_by("name", "created_at")
        named = list(rows.values_list("pk", "name")[: MAX_PROJECTS + 1])
        if len(named) <= MAX_PROJECTS:
            return forms.Select(choices=[(str(pk), name) for pk, name in named])
        key: Any = self.model._meta.get_field("project")
        searched: forms.Widget = RowField(key).widget
        return searched

    def _show(
        self, request: HttpRequest, form: forms.Form, *, typed: bool
    ) -> TemplateResponse:
        """Show the form; of what is ``typed`` already, what it would take."""
        if typed and not form.is_bound:
            sent = {
                name: field.widget.value_from_datadict(
                    request.POST, request.FILES, name
                )
                for name, field in form.fields.items()
            }
            form.initial.update(sent)
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add {self.opts.verbose_name}",
            "opts": self.opts,
            "form": form,
            "has_preview": self.has_preview,
            "preview": self.preview(request) if typed else "",
        }
        return TemplateResponse(request, "admin/compute/add.html", context)

    def preview(self, request: HttpRequest) -> SafeString | str:
        """Return what would become of the project with what is typed so far."""
        return ""

    def create_form(self, request: HttpRequest, data: Any) -> forms.Form:
        """Return the form of a new row, by the names that errors point at."""
        raise NotImplementedError

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Any:
        """Have the service create what a valid form asks for; return its answer."""
        raise NotImplementedError

    def answer(self, request: HttpRequest, made: Any) -> HttpResponse:
        """Show what the service answered."""
        raise NotImplementedError
