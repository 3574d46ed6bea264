"""Users: who may log in. One that leaves is deactivated, not removed."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, Permission
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.access import Access, named, permissions_of
from compute.admin.console import display, export
from compute.admin.console.lists import ClosedAdmin
from compute.admin.console.operators import actor_of, may
from compute.admin.console.pages import Link, Page, Table
from compute.admin.console.revocable import state_of
from compute.models import APIToken, Login, User
from compute.permissions import DJANGO_NAMES
from compute.services import accounts, audit

#: What decides over power, and is therefore a superuser's to give.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")
#: API tokens, and logins, on the page of a user; the lists have the others.
SHOWN = 10


class AuditedAdmin(ClosedAdmin[Any]):
    """Saved by Django's forms; where Django notes that, the audit does, too."""

    def formfield_for_manytomany(
        self, db_field: Any, request: Any = None, **kwargs: Any
    ) -> Any:
        """Offer the permissions that mean anything, and nobody what they lack."""
        if db_field.related_model is Permission:
            held = (
                Permission.objects.all()
                if _is_superuser(request)
                else permissions_of(request.user)
            )
            offered = named(held, DJANGO_NAMES).select_related("content_type")
            kwargs["queryset"] = offered
        return super().formfield_for_manytomany(db_field, request=request, **kwargs)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        audit.account(obj, "created", actor=actor_of(request))
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        rows = [row.get("changed", {}) for row in message]
        changed = [name for row in rows for name in row.get("fields", ())]
        if changed:
            audit.account(obj, "updated", actor=actor_of(request), changed=changed)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for row in queryset:
            audit.account(row, "deleted", actor=actor_of(request))
        return super().log_deletions(request, queryset)


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(AuditedAdmin, DjangoGroupAdmin):
    """Groups of operators: what their members may do, in every project.

    Nobody gives a group what they lack, or changes one that has more than they do.
    """

    # The others are found by the name of our app.
    change_list_template = "admin/compute/change_list.html"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_give(request, obj) and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return _may_give(request, obj) and super().has_delete_permission(request, obj)


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # generic in its stubs only
    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    exported = export.of(
        *("id", "username", "email", "is_active", "is_staff", "is_superuser"),
        *("date_joined", "last_login"),
    )
    # Django's own show how the password's hash begins.
    fieldsets = (
        (None, {"fields": ("username", "password_state")}),
        *(DjangoUserAdmin.fieldsets or ())[1:],
    )
    # Django's widgets for times would leave out the zone.
    readonly_fields = ("password_state", "last_login", "date_joined")

    @admin.display(description="Password")
    def password_state(self, user: User) -> str:
        return "Set" if user.has_usable_password() else "None: no login by password"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Else who may change users could set the password of somebody who may do more.
        below = obj is None or Access(request.user).covers(obj)
        return below and super().has_change_permission(request, obj)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: User | None = None,
    ) -> HttpResponse:
        links = []
        if obj is not None and self.has_change_permission(request, obj):
            url = reverse("admin:auth_user_password_change", args=[obj.pk])
            links.append(Link("Set another password", url))
        context["page"] = Page(
            links=links,
            has_django_history=True,
            tables=[] if obj is None else list(self._tables(request, obj)),
        )
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _tables(self, request: HttpRequest, user: User) -> Iterator[Table]:
        """Yield what a user has, as far as who looks may see it."""
        if may(request, "member.list") and may(request, "project.list"):
            yield _projects(user)
        if self._sees(request, APIToken):
            yield _api_tokens(user)
        if self._sees(request, Login):
            yield _logins(user)

    def _sees(self, request: HttpRequest, model: type[Model]) -> bool:
        return self.admin_site.get_model_admin(model).has_view_permission(request)

    def save_model(
        self, request: HttpRequest, obj: User, form: Any, change: bool
    ) -> None:
        super().save_model(request, obj, form, change)
        if change and not obj.is_active and "is_active" in form.changed_data:
            accounts.close(obj, actor=actor_of(request))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *POWERS)


def _projects(user: User) -> Table:
    members = user.memberships.select_related("project").order_by("project__name")
    return Table(
        title="Projects",
        columns=("Project", "Role", "Since"),
        rows=[
            (display.link(one.project), one.role, display.ago(one.created_at))
            for one in members
        ],
        nothing="In no project.",
    )


def _api_tokens(user: User) -> Table:
    tokens = list(user.api_tokens.select_related("project")[:SHOWN])
    return Table(
        title="API tokens",
        columns=("Name", "State", "Project", "Role", "Last used", "Expires"),
        rows=[
            (
                display.link(token),
                state_of(token),
                str(token.project),
                token.role,
                display.ago(token.last_used_at),
                display.ago(token.expires_at),
            )
            for token in tokens
        ],
        nothing="No API tokens.",
        note=_note(tokens, user),
    )


def _logins(user: User) -> Table:
    logins = list(user.logins.all()[:SHOWN])
    return Table(
        title="Logins",
        columns=("Login", "State", "Kind", "Address", "Refreshed", "Expires"),
        rows=[
            (
                display.link(login),
                state_of(login),
                login.kind,
                login.address or display.NONE,
                display.ago(login.refreshed_at),
                display.ago(login.expires_at),
            )
            for login in logins
        ],
        nothing="No logins in the last 30 days.",
        note=_note(logins, user),
    )


def _note(rows: list[Any], user: User) -> SafeString | str:
    """Return the way to the rows that a table leaves out, if it may do so."""
    if len(rows) < SHOWN:
        return ""
    opts = rows[0]._meta
    listed = reverse(f"admin:compute_{opts.model_name}_changelist")
    return format_html(
        'The newest {}: <a href="{}?user__id__exact={}">all {}</a>.',
        SHOWN,
        listed,
        user.pk,
        opts.verbose_name_plural,
    )


def _may_give(request: HttpRequest, group: Group | None) -> bool:
    return group is None or Access(request.user).holds(group.permissions.all())


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
