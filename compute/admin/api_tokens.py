"""API tokens: whose they are and when they were used. Their secrets are not stored."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import display, filters
from compute.admin.console.revocable import EndedFilter, RevocableAdmin
from compute.models import APIToken
from compute.search import id_prefix
from compute.services import tokens


@admin.register(APIToken)
class APITokenAdmin(RevocableAdmin[APIToken]):
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
    list_select_related = ("user", "project")
    list_filter = (EndedFilter, filters.ProjectFilter, filters.CREATED)
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
