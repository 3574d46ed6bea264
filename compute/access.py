"""Access: what one principal may do, and which rows it may see.

Roles are read from the database at every request: one that is taken away is gone with
the next request.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar
from uuid import UUID

from django.contrib.auth.models import AnonymousUser, Permission
from django.db.models import F, Model, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.db.models.lookups import In

# Not that of functools, which before Python 3.12 holds one lock for all instances: a
# query that hangs would stop everybody's.
from django.utils.functional import cached_property

from compute.errors import PermissionDenied
from compute.models import Membership, Project, Role, User
from compute.models.user import ANONYMOUS
from compute.permissions import PERMISSIONS
from compute.statements import Slot

M = TypeVar("M", bound=Model)

NOTHING = Q(pk__in=())


@dataclass(frozen=True, slots=True)
class Grant:
    """A role in a project."""

    role: Role
    #: The project's newest event when this was read: a list that follows begins there.
    event_sequence: int


@dataclass(frozen=True, slots=True)
class TokenUsed:
    """The API token a request came with."""

    id: UUID
    #: How it begins.
    prefix: str
    project_id: UUID


@dataclass(frozen=True, slots=True)
class Key:
    """What somebody proved with who they are; it may end before what it opened does."""

    kind: Literal["token", "login", "user"]
    id: Any
    #: Of the access token of a login, which ends before the login.
    expires_at: datetime | None = None


class Access:
    """A user, or an API token of one, and what that opens.

    An operator (``is_staff``) may do in every project what the account's Django
    permissions say; an API token never reaches beyond its project and role.
    """

    def __init__(
        self,
        user: User | AnonymousUser,
        *,
        grants: Mapping[UUID, Grant] | None = None,
        token: TokenUsed | None = None,
        key: Key | None = None,
    ) -> None:
        """Take what was read with the user; ``None``: read it when it is needed."""
        self.user = user
        self.token = token
        self.key = key or Key("user", user.pk)
        if grants is not None:
            self.grants = grants

    @property
    def name(self) -> str:
        """Return who it is, as events, operations and logs name people."""
        if not self.user.is_authenticated:
            return ANONYMOUS
        return f"user:{self.user.get_username()}"

    @cached_property
    def grants(self) -> Mapping[UUID, Grant]:
        """Its roles by project, in a steady order."""
        if not self.user.is_authenticated:
            return {}
        rows = Membership.objects.filter(user=self.user).order_by("project_id")
        return {
            project_id: Grant(Role(role), sequence)
            for project_id, role, sequence in rows.values_list(
                "project_id", "role", "project__event_sequence"
            )
        }

    def role_in(self, project_id: UUID | None) -> Role | None:
        """Return its own role in a project, apart from an operator's powers."""
        grant = self.grants.get(project_id) if project_id is not None else None
        return grant.role if grant else None

    def is_operator_for(self, permission: str) -> bool:
        """Whether it has a permission in every project there is."""
        # Inactive users have no permission at all; Django sees to it.
        return (
            self.token is None
            and self.user.is_staff
            and self.user.has_perm(PERMISSIONS[permission].django_name)
        )

    def may(self, permission: str, project_id: UUID | None) -> bool:
        """Whether it has a permission in a project; ``None``: outside of any."""
        if self.is_operator_for(permission):
            return True
        return PERMISSIONS[permission].is_granted_to(self.role_in(project_id))

    def require(self, permission: str, project_id: UUID | None) -> None:
        """Raise PermissionDenied unless it has a permission in a project."""
        if self.may(permission, project_id):
            return
        needed = PERMISSIONS[permission].role
        who = f'the role "{needed}" in this project' if needed else "an operator"
        raise PermissionDenied(f"{permission} requires {who}.")

    def covers(self, other: User) -> bool:
        """Whether it may do all that another account may: so much it may change.

        Who sets a password, or names an e-mail address, can act as that account. What
        an inactive account could do counts as well: it can be activated.
        """
        if self.user.is_superuser:
            return True
        if other.is_superuser or not self.holds(permissions_of(other)):
            return False
        return all(
            self.may(name, member.project_id)
            for member in other.memberships.all()
            for name, permission in PERMISSIONS.items()
            if permission.is_granted_to(Role(member.role))
        )

    def holds(self, permissions: QuerySet[Permission]) -> bool:
        """Whether an operator has all of some of Django's permissions."""
        names = permissions.values_list("content_type__app_label", "codename")
        return all(self.user.has_perm(f"{app}.{codename}") for app, codename in names)

    def require_grant(self, role: Role, project_id: UUID | None) -> None:
        """Raise PermissionDenied unless it may do all that a role opens in a project.

        Else who may set members, and no more, could make themselves an admin.
        """
        for name, permission in PERMISSIONS.items():
            if permission.is_granted_to(role) and not self.may(name, project_id):
                raise PermissionDenied(
                    f'Giving the role "{role}" requires all of its permissions, '
                    f"including {name}.",
                    field="role",
                )

    def require_somewhere(self, permission: str) -> None:
        """Raise PermissionDenied for a member of projects who has it in none of them."""
        if self.grants and not any(self.may(permission, id) for id in self.grants):
            self.require(permission, None)

    def visible(
        self,
        queryset: QuerySet[M, Any],
        permission: str,
        *,
        field: str = "project_id",
    ) -> QuerySet[M, Any]:
        """Return the rows of projects in which it has a permission.

        ``field`` leads from a row to the id of its project.
        """
        return self.scope(permission).of(queryset, field=field)

    def scope(self, permission: str) -> "Scope":
        """Return the projects in which it has a permission."""
        return ALL if self.is_operator_for(permission) else self.own_scope(permission)

    def event_sequences(self, scope: "Scope") -> tuple[int, ...] | None:
        """Return the newest event of each project of a scope; ``None`` for all projects."""
        if scope.projects is None:
            return None
        return tuple(self.grants[id].event_sequence for id in scope.values().values())

    def own_scope(self, permission: str) -> "Scope":
        """Return those of them that are its own, apart from an operator's powers."""
        granted = PERMISSIONS[permission]
        return Scope(
            tuple(
                id
                for id, grant in self.grants.items()
                if granted.is_granted_to(grant.role)
            )
        )


@dataclass(frozen=True, slots=True)
class Scope:
    """Projects whose rows may be seen."""

    #: Their ids, or slots for them; ``None``: all there are.
    projects: tuple[UUID | Slot, ...] | None

    def of(self, queryset: QuerySet[M, Any], *, field: str) -> QuerySet[M, Any]:
        """Return the rows of these projects; ``field`` leads to the project's id."""
        return queryset.filter(self.condition(field))

    def condition(self, field: str) -> Q:
        """Return the condition for rows of these projects.

        One project is an equality: then the index of the project gives the order, too.
        """
        match self.projects:
            case None:
                return Q()
            case ():
                return NOTHING
            case (only,):
                return Q(**{field: only})
            case several:
                # Not `field__in`, which of a foreign key takes values alone.
                return Q(In(F(field), several))

    @property
    def size(self) -> int | None:
        return None if self.projects is None else len(self.projects)

    def with_slots(self) -> "Scope":
        """Return a scope of as many projects, with slots for their ids."""
        if self.projects is None:
            return self
        return Scope(tuple(Slot(name, Project._meta.pk) for name in self.values()))

    def values(self) -> dict[str, Any]:
        """Return what goes into these slots."""
        return {f"project{i}": id for i, id in enumerate(self.projects or ())}


ALL = Scope(None)
#: One project, whichever.
ONE = Scope((Slot("project0", Project._meta.pk),))


def permissions_of(user: User | AnonymousUser) -> QuerySet[Permission]:
    """Return what an account was given, by itself or by its groups, active or not."""
    return Permission.objects.filter(Q(user=user) | Q(group__user=user)).distinct()


def named(
    permissions: QuerySet[Permission], names: Collection[str]
) -> QuerySet[Permission]:
    """Return those of some permissions that `has_perm` knows by one of some names."""
    name = Concat("content_type__app_label", Value("."), "codename")
    return permissions.alias(django_name=name).filter(django_name__in=names)
