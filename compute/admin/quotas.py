"""Quotas: how much a project has of each resource, and may have."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.forms import BoundField
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from compute.admin.console.operators import may
from compute.admin.console.use import percent, use_bar
from compute.limits import MAX_LIMIT
from compute.models import Project, Quota, Resource

_LIMIT: Any = Quota._meta.get_field("limit")


class QuotaForm(forms.Form):
    """The limits of a project; one that was not touched stays what it is by now."""

    def __init__(self, data: Any = None, *, quotas: Iterable[Quota]) -> None:
        super().__init__(data)
        for row in quotas:
            self.fields[row.resource] = _LIMIT.formfield(
                label=row.get_resource_display(),
                initial=row.limit,
                max_value=MAX_LIMIT,
                # Compared with what was shown, not with what is.
                show_hidden_initial=True,
                widget=forms.NumberInput(attrs={"placeholder": "unlimited"}),
            )

    @property
    def limits(self) -> dict[Resource, int | None]:
        """The limits that the operator changed."""
        return {Resource(name): self.cleaned_data[name] for name in self.changed_data}


class UseLine:
    """One row in the table of quotas, with the field for its limit if there is one."""

    def __init__(self, quota: Quota, field: BoundField | None) -> None:
        self.resource = quota.get_resource_display()
        self.used = f"{quota.used:,}"
        self.limit = "unlimited" if quota.limit is None else f"{quota.limit:,}"
        self.field = field
        self.bar = use_bar(quota)
        self.share = "" if quota.limit is None else f"{percent(quota)} %"


def table(request: HttpRequest, project: Project, *, url: str) -> SafeString | str:
    """Return the quotas of a project, with fields for who may set limits."""
    if not may(request, "quota.retrieve"):
        return ""
    quotas = list(project.quotas.all())
    is_editable = project.deleted_at is None and may(request, "quota.update")
    form = QuotaForm(quotas=quotas)
    lines = [
        UseLine(row, form[row.resource] if is_editable else None) for row in quotas
    ]
    context = {"uses": lines, "limits_editable": is_editable, "quota_url": url}
    if not lines:
        return ""
    return render_to_string("admin/compute/includes/quota.html", context, request)
