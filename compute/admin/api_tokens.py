"""API tokens: whose they are and when they were used. Their secrets are not stored."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.access import Access
from compute.admin.console import display, export, filters
from compute.admin.console.created import CreatedAdmin
from compute.admin.console.display import page_url
from compute.admin.console.forms import LineField, RowField
from compute.admin.console.operators import actor_of, may
from compute.admin.console.revocable import EndedFilter, RevocableAdmin
from compute.models import APIToken, Role
from compute.search import id_prefix
from compute.services import tokens


class APITokenCreateForm(forms.Form):
    """The arguments of `services.tokens.create_for`."""

    user = RowField(APIToken._meta.get_field("user"))
    project = RowField(APIToken._meta.get_field("project"))
    role = forms.ChoiceField(
        choices=Role.choices, help_text="At most the user's own role in the project."
    )
    name = LineField(help_text="What it is for.")
    days = forms.IntegerField(
        label="Days until it expires",
        min_value=0,
        max_value=tokens.MAX_DAYS,
        initial=tokens.LIFETIME.days,
        help_text="0: it never expires.",
    )


@admin.register(APIToken)
class APITokenAdmin(CreatedAdmin[APIToken], RevocableAdmin[APIToken]):
    noun = "api-token"
    commands = {"revoke": "api-token.delete"}
    service = tokens.revoke
    revoke_warning = "The next request with it is refused. This cannot be undone."
    list_display = (
        "name",
        "state",
        "prefix",
        "user",
        "project",
        "role",
        "created",
        "used",
        "expires",
    )
    # Never the digest.
    exported = export.of(
        *("id", "name", "prefix", "user.username", "project.name", "role"),
        *("created_at", "last_used_at", "expires_at", "revoked_at"),
    )
    list_select_related = ("user", "project")
    list_filter = (EndedFilter, filters.ProjectFilter, filters.CREATED)
    links = ("user__id__exact",)
    search_fields = ("name",)
    search_help_text = "Part of the name, the beginning of the token, or a username"
    # Named one by one: the digest is in no list.
    fields = (
        "id",
        "name",
        "prefix",
        "user",
        "project_page",
        "role",
        "created_on",
        "used_on",
        "expires_on",
        "revoked_on",
    )

    used = staticmethod(display.ago_column("last_used_at", "Last used"))
    used_on = staticmethod(display.exact_field("last_used_at", "Last used"))

    def search(self, queryset: QuerySet[APIToken], text: str) -> QuerySet[APIToken]:
        named = Q(name__icontains=text) | Q(prefix__startswith=text)
        whose = Q(user__username=text) | id_prefix(text)
        return queryset.filter(named | whose)

    def scope(self, row: APIToken) -> SafeString:
        return format_html(
            ' <span class="quiet">in</span> {} <span class="quiet">as</span> {}',
            row.project,
            row.role,
        )

    def has_add_permission(self, request: HttpRequest) -> bool:
        # The form looks for users and projects.
        needed = ("api-token.create", "user.list", "project.list")
        return all(may(request, name) for name in needed)

    def create_form(self, request: HttpRequest, data: Any) -> APITokenCreateForm:
        return APITokenCreateForm(data)

    def create(
        self, request: HttpRequest, values: dict[str, Any]
    ) -> tuple[APIToken, str]:
        return tokens.create_for(
            Access(request.user),
            user=values["user"],
            project=values["project"],
            role=Role(values["role"]),
            name=values["name"],
            actor=actor_of(request),
            expires_at=tokens.end_after(values["days"]),
        )

    def answer(self, request: HttpRequest, made: tuple[APIToken, str]) -> HttpResponse:
        """Show the secret, in the answer itself: nothing may keep it for another page."""
        token, secret = made
        context = {
            **self.admin_site.each_context(request),
            "title": "New API token",
            "opts": self.opts,
            "token": token,
            "expires": self.expires_on(token),
            "secret": secret,
            "url": page_url(token),
        }
        return TemplateResponse(
            request,
            "admin/compute/apitoken/created.html",
            context,
            headers={"Cache-Control": "no-store"},
        )
