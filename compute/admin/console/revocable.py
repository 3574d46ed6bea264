"""What can be looked at and ended, and nothing else: API tokens and logins."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import display
from compute.admin.console.display import page_url
from compute.admin.console.operators import actor_of, may
from compute.admin.console.pages import Button, HistoryAdmin, Page
from compute.models import APIToken, Login

Key = TypeVar("Key", APIToken, Login)


class EndedFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[Any, str]]:
        return [("alive", "Alive"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        now = timezone.now()
        match self.value():
            case "alive":
                unending = Q(expires_at=None) | Q(expires_at__gt=now)
                return queryset.filter(unending, revoked_at=None)
            case "expired":
                return queryset.filter(revoked_at=None, expires_at__lte=now)
            case "revoked":
                return queryset.exclude(revoked_at=None)
        return queryset


class RevocableAdmin(HistoryAdmin[Key]):
    """Rows with a button that ends them; it takes a permission of its own."""

    #: What ends one: takes the row and the actor.
    service: ClassVar[Callable[..., None]]
    #: Said above the button.
    revoke_warning: ClassVar[str]
    actions = ("revoke_all",)

    expires = staticmethod(display.ago_column("expires_at", "Expires"))
    expires_on = staticmethod(display.exact_field("expires_at", "Expires"))
    revoked_on = staticmethod(display.exact_field("revoked_at", "Revoked"))

    @admin.display(description="State")
    def state(self, row: Key) -> SafeString:
        badge = state_of(row)
        if row.revoked_at is None:
            return badge
        when = display.ago(row.revoked_at)
        return format_html('{} <div class="quiet">{}</div>', badge, when)

    def get_actions(self, request: HttpRequest) -> Any:
        actions = super().get_actions(request)
        return actions if may(request, self.commands["revoke"]) else {}

    @admin.action(description="Revoke")
    def revoke_all(self, request: HttpRequest, queryset: QuerySet[Key]) -> None:
        rows = self.selected(request, queryset)
        if rows is None:
            return
        actor = actor_of(request)
        for row in rows:
            type(self).service(row, actor=actor)
        opts = self.opts
        names = opts.verbose_name if len(rows) == 1 else opts.verbose_name_plural
        messages.success(request, f"{len(rows)} {names} revoked.")

    def page(self, request: HttpRequest, row: Key) -> Page:
        button = Button(
            label="Revoke",
            url=self.command_url(row, "revoke"),
            note=self.revoke_warning,
            is_danger=True,
        )
        can_revoke = _is_alive(row) and may(request, self.commands["revoke"])
        return Page(
            facts=format_html(
                '{} <span class="quiet">of</span> {}{}',
                state_of(row),
                row.user,
                self.scope(row),
            ),
            buttons=[button] if can_revoke else [],
        )

    def scope(self, row: Key) -> SafeString | str:
        """Return how far it reaches, where that is less than its user does."""
        return ""

    def command(self, request: HttpRequest, row: Key, name: str) -> HttpResponse:
        """End one, and show it again."""
        type(self).service(row, actor=actor_of(request))
        messages.success(request, f"The {self.opts.verbose_name} {row} is revoked.")
        return redirect(page_url(row))


def state_of(row: APIToken | Login) -> SafeString:
    """Return whether a key still opens anything, as a badge."""
    if row.revoked_at is not None:
        return display.tag("bad", "revoked")
    if not _is_alive(row):
        return display.tag("off", "expired")
    return display.tag("good", "alive")


def _is_alive(row: APIToken | Login) -> bool:
    has_ended = row.expires_at is not None and row.expires_at <= timezone.now()
    return row.revoked_at is None and not has_ended
