"""Everything the API offers."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from compute.api.api_tokens import APITokenViewSet
from compute.api.auth import Me, Tokens, TokensRefresh, TokensRevoke
from compute.api.catalog import FlavorViewSet, ImageViewSet
from compute.api.docs import Docs, Schema
from compute.api.events import EventViewSet
from compute.api.operations import OperationViewSet
from compute.api.projects import MemberViewSet, ProjectViewSet, QuotaViewSet
from compute.api.root import Nothing, Root
from compute.api.snapshots import SnapshotViewSet, VMSnapshotViewSet
from compute.api.vms import VMViewSet

router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("vms", VMViewSet, basename="vm")
router.register("snapshots", SnapshotViewSet, basename="snapshot")
router.register("operations", OperationViewSet, basename="operation")
router.register("flavors", FlavorViewSet, basename="flavor")
router.register("images", ImageViewSet, basename="image")
router.register("projects", ProjectViewSet, basename="project")
router.register("api-tokens", APITokenViewSet, basename="api-token")
router.register("events", EventViewSet, basename="event")

urlpatterns = [
    path("", Root.as_view(), name="root"),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="docs"),
    path(
        "vms/<uuid:id>/snapshots",
        VMSnapshotViewSet.as_view({"get": "list", "post": "create"}),
        name="vm-snapshots",
    ),
    path("auth/tokens", Tokens.as_view(), name="auth-tokens"),
    path("auth/tokens/refresh", TokensRefresh.as_view(), name="auth-tokens-refresh"),
    path("auth/tokens/revoke", TokensRevoke.as_view(), name="auth-tokens-revoke"),
    path("auth/me", Me.as_view(), name="auth-me"),
    path(
        "projects/<uuid:id>/members",
        MemberViewSet.as_view({"get": "list"}),
        name="project-members",
    ),
    path(
        "projects/<uuid:id>/members/<int:user_id>",
        MemberViewSet.as_view({"put": "set", "delete": "remove"}),
        name="project-member",
    ),
    path(
        "projects/<uuid:id>/quota",
        QuotaViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="project-quota",
    ),
    *router.urls,
    path("<path:rest>", Nothing.as_view()),
]
