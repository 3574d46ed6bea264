"""Keypairs, for operators."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import export, filters
from compute.admin.console.display import api_url
from compute.admin.console.edited import EditedAdmin
from compute.admin.console.forms import (
    LabelsField,
    LineField,
    LinesField,
    VersionedForm,
    living_project,
)
from compute.admin.console.history import history
from compute.admin.console.operators import actor_of
from compute.admin.console.pages import Link, Page
from compute.models import Keypair, Project
from compute.search import id_prefix
from compute.services import keypairs
from compute.ssh_keys import MAX_PUBLIC_KEY


class KeypairForm(VersionedForm):
    class Meta(VersionedForm.Meta):
        model = Keypair
        fields = ()


class KeypairCreateForm(forms.Form):
    """The arguments of `services.keypairs.create`: an operator brings the key."""

    name = LineField()
    project = LineField(help_text="Name or id.")
    public_key = LinesField(
        rows=4, max_length=MAX_PUBLIC_KEY, help_text="ssh-ed25519 AAAA… comment"
    )
    labels = LabelsField()

    def clean_project(self) -> Project:
        return living_project(self.cleaned_data["project"])

    def clean_public_key(self) -> str:
        text: str = self.cleaned_data["public_key"]
        if not text:
            raise ValidationError("This field is required.", code="required")
        return text


@admin.register(Keypair)
class KeypairAdmin(EditedAdmin[Keypair]):
    services = keypairs
    delete_warning = "VMs that were created with it keep their key."
    form = KeypairForm
    list_display = ("name", "type", "fingerprint", "project", "created")
    exported = export.of(
        *("id", "name", "type", "fingerprint", "project.name"),
        *("created_at", "deleted_at"),
    )
    list_select_related = ("project",)
    list_filter = (filters.ProjectFilter, filters.CREATED, filters.DeletedFilter)
    search_fields = ("name",)
    search_help_text = "Part of the name, the beginning of the id, or a fingerprint"
    actions = None
    details = (
        "id",
        "project",
        "type",
        "fingerprint",
        "public_key",
        "labels",
        "created_on",
        "deleted_on",
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.details})]

    def search(self, queryset: QuerySet[Keypair], text: str) -> QuerySet[Keypair]:
        condition = Q(name__icontains=text) | Q(fingerprint=text) | id_prefix(text)
        return queryset.filter(condition)

    def page(self, request: HttpRequest, keypair: Keypair) -> Page:
        return Page(
            links=[Link("In the API", api_url(keypair))],
            facts=format_html("{} {}", keypair.type, keypair.fingerprint),
            is_deleted=keypair.deleted_at is not None,
            delete_url=self.delete_url(request, keypair),
            history=history(request, keypair),
        )

    def create_form(self, request: HttpRequest, data: Any) -> forms.Form:
        return KeypairCreateForm(data)

    def create(self, request: HttpRequest, values: dict[str, Any]) -> Keypair:
        keypair, _ = keypairs.create(actor=actor_of(request), **values)
        return keypair

    def accepted(self, label: str, row: Any, changed: Any) -> SafeString:
        word = "was added" if label == "Creation" else "is deleted"
        return format_html("Keypair {} {}.", row, word)
