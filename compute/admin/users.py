"""Users: who may log in. One that leaves is deactivated, not removed."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest

from compute.admin.base import actor_of
from compute.models import User
from compute.services import audit

#: What decides over power, and is therefore a superuser's to give.
POWERS = ("is_staff", "is_superuser", "groups", "user_permissions")


class AuditedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in its stubs only
    """Saved by Django's forms; where Django notes that, the audit does, too."""

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
    """Groups of operators: what their members may do, in every project."""


@admin.register(User)
class UserAdmin(AuditedAdmin, DjangoUserAdmin):  # type: ignore[type-arg]  # generic in its stubs only
    list_display = ("username", "email", "is_active", "is_staff", "last_login")
    show_full_result_count = False
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
        # Else who may change users could take a superuser's password.
        above = obj is not None and obj.is_superuser and not _is_superuser(request)
        return not above and super().has_change_permission(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = super().get_readonly_fields(request, obj)
        return fields if _is_superuser(request) else (*fields, *POWERS)


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))
