"""Projects, their members and their quotas: /projects."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from compute.access import Scope
from compute.api.http import filters, writes
from compute.api.http.fields import Lines, Name, Names, NoBody, RequestBody, Whole, Word
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.projects import (
    MEMBER_BODY,
    PROJECT_BODY,
    QUOTA_BODY,
    quota_of,
)
from compute.errors import NotFound
from compute.limits import MAX_DESCRIPTION, MAX_LIMIT
from compute.models import (
    Membership,
    Project,
    Quota,
    Resource,
    Role,
    User,
    subjects,
)
from compute.services import projects, quotas


class CloudsField(Names):
    """The clouds of a project."""

    def __init__(self) -> None:
        super().__init__(
            required=False,
            allow_null=True,
            allow_empty=False,
            min_length=1,  # for the schema
            help_text=(
                "Aliases of the clouds it may use, its default one first; null: all. Set"
                " by operators."
            ),
        )


class ProjectCreate(RequestBody):
    example = {"name": "web-shop"}

    name = Name()
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    clouds = CloudsField()


class ProjectUpdate(RequestBody):
    """Fields that are left out stay."""

    example = {"description": "The shop and its database."}

    name = Name(required=False)
    description = Lines(required=False, max_length=MAX_DESCRIPTION)
    clouds = CloudsField()


class ProjectFilter(filters.NamedFilterSet):
    search = filters.Search(help_text="Part of the name, or the beginning of the id.")


class OfProjectViewSet(ResourceViewSet[Any]):
    """What belongs to a project and has its id in the path."""

    starts_operations = False

    def seen_project(self) -> Project:
        """Return the project of the path, or raise NotFound as if there were none."""
        visible = self.access.visible(
            Project.objects.alive(), "project.retrieve", field="pk"
        )
        project: Project | None = visible.filter(pk=self.kwargs["id"]).first()
        if project is None:
            raise NotFound(f"No project {self.kwargs['id']}.")
        self.target = self.subject_in(project)
        self.permit(project.pk)
        return project

    def subject_in(self, project: Project) -> object:
        """Return what a refusal is about: the project, or a part of it."""
        return project


class ProjectViewSet(OfProjectViewSet):
    """Projects: yours, or all of them for an operator."""

    queryset = Project.objects.none()  # its model, for the schema
    noun = "project"
    about = "Tenants, their members and quotas."
    shows = PROJECT_BODY
    filterset_class = ProjectFilter
    orderings = ("name", "created_at")
    default_ordering = "name"
    bodies = {
        "create": ProjectCreate,
        "partial_update": ProjectUpdate,
        "destroy": NoBody,
    }

    @staticmethod
    def readable(scope: Scope) -> QuerySet[Project]:
        return scope.of(Project.objects.alive(), field="pk")

    def create(self, request: Request) -> Response:
        """Create a project, with the default quotas and no members."""
        self.permit(None)
        body, actor, seen = self._body(None), self.actor, self.get_queryset()
        return writes.make(
            self,
            lambda: projects.create(actor=actor, seen=seen, **body),
            project_id=None,
        )

    def partial_update(self, request: Request, id: Any) -> Response:
        """Change its name, its description or the clouds it may use."""
        project = self.seen_project()
        project = projects.update(
            project,
            actor=self.actor,
            changes=self._body(project.pk),
            expect=self.expect,
            seen=self.get_queryset(),
        )
        return self.item(project)

    def destroy(self, request: Request, id: Any) -> Response:
        """Delete it, once it has no VMs, snapshots or keypairs."""
        project = self.seen_project()
        self.body()
        projects.delete(project, actor=self.actor, expect=self.expect)
        return Response(status=204)

    def _body(self, project_id: UUID | None) -> dict[str, Any]:
        # Before it is said whether there are such clouds.
        if isinstance(self.request.data, Mapping) and "clouds" in self.request.data:
            self.access.require("project.set-clouds", project_id)
        return self.body()

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        serializer: Any = super().get_serializer(*args, **kwargs)
        # No form has a field that is refused whatever it holds.
        if not self.access.is_operator_for("project.set-clouds"):
            serializer.fields.pop("clouds", None)
        return serializer


class MemberSet(RequestBody):
    example = {"role": "member"}

    role = Word(choices=Role.choices, help_text="What the user may do from now on.")


class MemberViewSet(OfProjectViewSet):
    """The members of one project."""

    queryset = Membership.objects.none()  # its model, for the schema
    noun = "member"
    http_method_names = ["get", "head", "put", "delete"]
    shows = MEMBER_BODY
    orderings = ("created_at",)
    default_ordering = "created_at"
    bodies = {
        "set": MemberSet,
        "remove": NoBody,
    }

    def get_queryset(self) -> QuerySet[Membership]:
        members = Membership.objects.filter(project=self.seen_project())
        return members.select_related("user")

    def page_extras(self, data: Any) -> dict[str, Any]:
        # A member has no page of their own.
        rows = [
            {"id": "", "label": row["username"], "status": row["role"]}
            for row in data.get("results", ())
        ]
        return {"rows": rows}

    @extend_schema(responses=MEMBER_BODY)
    def retrieve(self, request: Request, id: Any, username: str) -> Response:
        """Return one, by the exact username."""
        member = self.get_queryset().filter(user__username=username).first()
        if member is None:
            raise NotFound(f"No member {username}.")
        return self.item(member)

    @extend_schema(request=MemberSet, responses=MEMBER_BODY)
    def set(self, request: Request, id: Any, username: str) -> Response:
        """Give a user a role, replacing the one they have.

        The username must be exact; an unknown one and one of an inactive user are both
        404. Giving a role requires all of its permissions.
        """
        project, role = self.seen_project(), Role(self.body()["role"])
        self.access.require_grant(role, project.pk)
        member = projects.set_member(
            project,
            self.user(username, project),
            role=role,
            actor=self.actor,
            expect=self.expect,
        )
        return self.item(member)

    @extend_schema(responses={204: None})
    def remove(self, request: Request, id: Any, username: str) -> Response:
        """Remove a user from the project and revoke their API tokens for it."""
        project = self.seen_project()
        self.body()
        # Also who is inactive; and who is no member might as well not exist.
        members = User.objects.filter(memberships__project=project)
        user = members.filter(username=username).first()
        if user is None:
            raise NotFound(f"No member {username}.")
        projects.remove_member(project, user, actor=self.actor, expect=self.expect)
        return Response(status=204)

    def user(self, username: str, project: Project) -> User:
        """Return the active user of a name, or raise NotFound.

        The names of strangers are counted as guesses at a password are, known or not:
        so nobody finds out who there is by trying names.
        """
        active = User.objects.filter(username=username, is_active=True)
        member = active.filter(memberships__project=project).first()
        if member is not None:
            return member
        self.count(self.request, f"names:{self.request.user.pk}", policy="auth")
        user = active.first()
        if user is None:
            raise NotFound(f"No user {username}.")
        return user


class Limit(RequestBody):
    limit = Whole(
        min_value=0, max_value=MAX_LIMIT, allow_null=True, help_text="null: none."
    )


class QuotaUpdate(RequestBody):
    """Resources that are left out keep their limits."""

    example = {"vms": {"limit": 20}, "disk_gb": {"limit": None}}

    def get_fields(self) -> dict[str, Any]:
        return {resource.value: Limit(required=False) for resource in Resource}


class QuotaViewSet(OfProjectViewSet):
    """The quota of one project."""

    queryset = Quota.objects.none()  # its model, for the schema
    noun = "quota"
    http_method_names = ["get", "head", "patch"]
    shows = QUOTA_BODY
    bodies = {"partial_update": QuotaUpdate}

    def subject_in(self, project: Project) -> object:
        return subjects.quota_of(project)

    def shown(self, row: Any) -> dict[str, Any]:
        """Return the body of all rows of a project."""
        return super().shown(quota_of(row))

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Return limits and use together."""
        return self.item(quotas.of(self.seen_project()))

    def partial_update(self, request: Request, id: Any) -> Response:
        """Set limits. One below what is used stops new things, and removes none."""
        project, body = self.seen_project(), self.body()
        # A merge: an empty object changes nothing.
        limits = {
            Resource(name): row["limit"] for name, row in body.items() if "limit" in row
        }
        rows = quotas.update(
            project, actor=self.actor, limits=limits, expect=self.expect
        )
        return self.item(rows)
