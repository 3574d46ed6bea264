"""API tokens: /api-tokens."""

from typing import Any

from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from compute.api.http import filters, writes
from compute.api.http.fields import Id, Name, RequestBody, Time, Word
from compute.api.http.viewset import ResourceViewSet
from compute.bodies.api_tokens import API_TOKEN_BODY
from compute.errors import PermissionDenied
from compute.models import APIToken, Role
from compute.models.api_token import APITokenQuerySet
from compute.services import tokens


class APITokenCreate(RequestBody):
    example = {"name": "terraform", "role": "member"}

    name = Name()
    project = Id(
        required=False,
        help_text=(
            "If omitted, the API token's project, or the default project if you may"
            " create there."
        ),
    )
    role = Word(
        choices=Role.choices,
        default=Role.READER.value,
        help_text="At most your own role in the project.",
    )
    expires_at = Time(
        required=False,
        allow_null=True,
        help_text="If omitted, in 90 days; null: never.",
    )


class APITokenFilter(filters.NamedFilterSet):
    project = filters.UUIDIn(help_text="In these projects.")


class APITokenViewSet(ResourceViewSet[APIToken]):
    """Your API tokens; an admin sees those of the whole project."""

    queryset = APIToken.objects.none()  # its model, for the schema
    noun = "API token"
    about = "Keys for programs."
    starts_operations = False
    shows = API_TOKEN_BODY
    filterset_class = APITokenFilter
    orderings = ("created_at", "name")
    bodies = {"create": APITokenCreate}

    def get_queryset(self) -> QuerySet[APIToken]:
        every: APITokenQuerySet = APIToken.objects.alive().select_related("user")
        if self.access.is_operator_for("api-token.list"):
            return every
        own = Q(user=self.request.user)
        administered = self.access.own_scope("event.list").condition("project_id")
        return self.scope.of(every, field="project_id").filter(own | administered)

    def create(self, request: Request) -> Response:
        """Create a token. Only this answer shows it."""
        if self.access.token is not None:
            # One that leaked must not outlive its own revocation.
            self.project_id = self.access.token.project_id
            raise PermissionDenied("API tokens cannot create API tokens.")
        self.access.require_somewhere(self.permission)
        body, actor, user = self.body(), self.actor, request.user
        project, role = self.project(body.get("project")), Role(body["role"])
        expires_at = body.get("expires_at", timezone.now() + tokens.LIFETIME)
        return writes.make(
            self,
            lambda: tokens.create(
                user=user,  # type: ignore[arg-type]  # authenticated by now
                project=project,
                role=role,
                name=body["name"],
                actor=actor,
                expires_at=expires_at,
            ),
            project_id=project.pk,
            shown_once="token",
        )

    def destroy(self, request: Request, id: Any) -> Response:
        """Revoke it. An API token can revoke only itself and tokens of lower roles."""
        token = self.get_object()
        self._require_lower(token)
        tokens.revoke(token, actor=self.actor, expect=self.expect)
        return Response(status=204)

    def _require_lower(self, token: APIToken) -> None:
        """Raise PermissionDenied when this request's own token is not above it.

        Else a reader's token that leaked could end what a project runs on.
        """
        used = self.access.token
        if used is None or used.id == token.pk:
            return
        own = self.access.role_in(used.project_id)
        if own is None or own.rank <= Role(token.role).rank:
            raise PermissionDenied(
                "An API token can revoke only itself and tokens of lower roles."
            )
