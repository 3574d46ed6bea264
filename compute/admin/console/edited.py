"""Rows that a service changes and deletes; what is deleted stays, as it was."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString

from compute.admin.console.created import CreatedAdmin
from compute.admin.console.display import page_url
from compute.admin.console.forms import ActionForm, VersionedForm
from compute.admin.console.operators import actor_of, may, refused, requested
from compute.admin.console.parameters import kept_filters
from compute.errors import Problem
from compute.expected import VersionIs
from compute.models.owned import Owned, Versioned

Edited = TypeVar("Edited", bound=Versioned)


class EditedAdmin(CreatedAdmin[Edited]):
    #: Of `compute.services`: has ``create``, ``update``, ``delete``.
    services: Any
    #: The form of what can be changed; has a field for the version.
    form: type[VersionedForm]
    #: What is shown below the form.
    details: ClassVar[tuple[str, ...]]

    def back_url(self, row: Versioned) -> str:
        """Return where an operator goes after what was asked of a row."""
        return page_url(row)

    def way_back(self, request: HttpRequest, row: Versioned) -> str:
        """Return the same; its own page still leads to the list as it was."""
        back = self.back_url(row)
        is_own = isinstance(row, self.model) and back == page_url(row)
        return back + kept_filters(request) if is_own else back

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        details = {"fields": (*self.details, "version")}
        return [(None, {"fields": self.form.Meta.fields}), ("Details", details)]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return self.details

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _exists(obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._may_delete(request, obj)

    def _may_delete(self, request: HttpRequest, row: Versioned | None) -> bool:
        return _exists(row) and may(request, f"{self.noun}.delete")

    def save_model(
        self, request: HttpRequest, obj: Edited, form: Any, change: bool
    ) -> None:
        fields = set(self.form.Meta.fields).intersection(form.changed_data)
        version = form.cleaned_data["version"]
        self.services.update(
            obj,
            actor=actor_of(request),
            changes={name: form.cleaned_data[name] for name in fields},
            expect=None if version is None else VersionIs(version),
        )

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if request.method == "POST" and self.has_change_permission(request):
            row = self.get_object(request, unquote(object_id or ""))
            if row is not None and row.deleted_at is not None:
                return self.gone(request, row)
        context = {"show_save_and_add_another": False, **(extra_context or {})}
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except Problem as problem:
            # Of the service, which looks at the row again after the form did. All is
            # undone; the form comes back as it was typed, unless the row is gone.
            row = self.get_object(request, unquote(object_id or ""))
            reason = self.refused(request, problem, row)
            if row is None or row.deleted_at is not None:
                messages.error(request, reason)
                return redirect(request.get_full_path())
            request.problem = problem  # type: ignore[attr-defined]  # read by get_form
            return super().changeform_view(request, object_id, form_url, context)

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,
        **kwargs: Any,
    ) -> Any:
        form: Any = super().get_form(request, obj, change, **kwargs)
        form.problem = getattr(request, "problem", None)
        return form

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Edited:
        row: Edited = self.services.create(actor=actor_of(request), **values)
        return row

    def answer(self, request: HttpRequest, made: Edited) -> HttpResponse:
        messages.success(request, self.accepted("Creation", made, made))
        return redirect(page_url(made))

    def delete_url(self, request: HttpRequest, row: Edited) -> str:
        """Return where the row can be deleted; nothing to who may not."""
        if not self.has_delete_permission(request, row):
            return ""
        return reverse(f"admin:compute_{self.opts.model_name}_delete", args=[row.pk])

    def delete_view(
        self,
        request: HttpRequest,
        object_id: str,
        extra_context: Mapping[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask again, then have the service delete it; the row stays."""
        row = self.get_object(request, unquote(object_id))
        if not self._may_delete(request, None):
            name = self.opts.verbose_name
            raise PermissionDenied(f"The {name} cannot be deleted by this account.")
        if row is None:
            return self.not_found(request, object_id)
        if row.deleted_at is not None:
            return self.gone(request, row)
        if request.method == "POST":
            return self.perform(request, row, "Delete", self.services.delete)
        return self.confirm_delete(request, row, back=self.back_url(row))

    def gone(self, request: HttpRequest, row: Versioned) -> HttpResponseRedirect:
        """Show what a page that is out of date was about: it has been deleted."""
        messages.warning(request, f"The {self.opts.verbose_name} {row} is gone.")
        return redirect(page_url(row))

    def perform(
        self,
        request: HttpRequest,
        row: Versioned,
        label: str,
        service: Callable[..., Any],
        **arguments: Any,
    ) -> HttpResponseRedirect:
        """Call a service, show the operator the result, then the row again."""
        if row.deleted_at is not None:
            return self.gone(request, row)
        try:
            changed = service(row, actor=actor_of(request), **arguments)
        except Problem as problem:
            messages.error(request, self.refused(request, problem, row))
        else:
            messages.success(request, self.accepted(label, row, changed))
        return redirect(self.way_back(request, row))

    def ask(
        self, request: HttpRequest, row: Edited, form: ActionForm
    ) -> HttpResponseRedirect:
        """Ask for an action with what its form on the page of a row says."""
        if form.is_valid():
            action = form.action
            return self.perform(
                request, row, action.label, action.service, **form.arguments
            )
        for name, errors in form.errors.items():
            reasons = " ".join(map(str, errors))
            messages.error(request, f"{form[name].label}: {reasons}")
        return redirect(self.way_back(request, row))

    def accepted(self, label: str, row: Versioned, changed: Any) -> SafeString:
        """Return the message of what a service has taken on."""
        return requested(f"{label} of {row} is under way", changed.operation)

    def refused(
        self, request: HttpRequest, problem: Problem, row: Versioned | None
    ) -> str:
        """Record the event of a refusal; return the message for the operator."""
        if isinstance(row, Owned):
            return refused(request, problem, project_id=row.project_id, target=row)
        # Else it is a project itself.
        return refused(request, problem, project_id=row.pk if row else None)


def _exists(row: Versioned | None) -> bool:
    return row is None or row.deleted_at is None
