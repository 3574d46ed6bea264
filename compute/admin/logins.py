"""Logins: who is in, with what and from where; the sessions of browsers among them."""

from django.contrib import admin
from django.db.models import Q, QuerySet

from compute.admin.console import display, export, filters
from compute.admin.console.revocable import EndedFilter, RevocableAdmin
from compute.models import Login
from compute.search import from_address
from compute.services import logins


@admin.register(Login)
class LoginAdmin(RevocableAdmin[Login]):
    commands = {"revoke": "login.revoke"}
    service = logins.revoke
    revoke_warning = "Whoever uses it is logged out at the next request."
    list_display = (
        "user",
        "state",
        "kind",
        "address",
        "agent",
        "created",
        "refreshed",
        "expires",
    )
    exported = export.of(
        *("id", "user.username", "kind", "address", "user_agent"),
        *("created_at", "refreshed_at", "expires_at", "revoked_at"),
    )
    list_select_related = ("user",)
    list_filter = (EndedFilter, "kind", filters.CREATED)
    links = ("user__id__exact",)
    search_fields = ("user__username",)
    search_help_text = "Part of the username, or an address"
    # Named one by one: the hash that ties it to the password is in no list.
    fields = (
        "id",
        "user",
        "kind",
        "address",
        "user_agent",
        "created_on",
        "refreshed_on",
        "expires_on",
        "revoked_on",
    )

    refreshed = staticmethod(display.ago_column("refreshed_at", "Refreshed"))
    refreshed_on = staticmethod(display.exact_field("refreshed_at", "Refreshed"))

    @admin.display(description="User agent")
    def agent(self, login: Login) -> str:
        return display.short(login.user_agent, 60) or display.NONE

    def search(self, queryset: QuerySet[Login], text: str) -> QuerySet[Login]:
        named = Q(user__username__icontains=text)
        return queryset.filter(named | from_address(text))
