"""Everything the API offers."""

from typing import Any

from django.urls import path, register_converter
from django.urls.converters import StringConverter
from rest_framework.routers import SimpleRouter

from compute.api.api_tokens import APITokenViewSet
from compute.api.auth import Me, Tokens, TokensRefresh, TokensRevoke
from compute.api.catalog import FlavorViewSet, ImageViewSet
from compute.api.docs import Docs, DocsIndex, GuidePage, Schema
from compute.api.event_stream import EventStreamViewSet
from compute.api.events import EventViewSet
from compute.api.floating_ips import FloatingIPViewSet
from compute.api.http.guides import GUIDES
from compute.api.http.renderers import HTMLRenderer
from compute.api.http.viewset import ResourceViewSet
from compute.api.keypairs import KeypairViewSet
from compute.api.networks import NetworkViewSet, SubnetViewSet
from compute.api.operations import OperationViewSet
from compute.api.projects import MemberViewSet, ProjectViewSet, QuotaViewSet
from compute.api.root import Nothing, Root
from compute.api.routers import RouterViewSet
from compute.api.security_groups import (
    GroupRuleViewSet,
    SecurityGroupRuleViewSet,
    SecurityGroupViewSet,
)
from compute.api.snapshots import SnapshotViewSet, VMSnapshotViewSet
from compute.api.tickets import Tickets
from compute.api.vms import VMViewSet
from compute.api.webhooks import DeliveryViewSet, WebhookViewSet

#: What has a list and pages of its own: path, viewset, name of its routes.
NOUNS: tuple[tuple[str, type[ResourceViewSet[Any]], str], ...] = (
    ("vms", VMViewSet, "vm"),
    ("snapshots", SnapshotViewSet, "snapshot"),
    ("keypairs", KeypairViewSet, "keypair"),
    ("networks", NetworkViewSet, "network"),
    ("subnets", SubnetViewSet, "subnet"),
    ("routers", RouterViewSet, "router"),
    ("floating-ips", FloatingIPViewSet, "floating-ip"),
    ("security-groups", SecurityGroupViewSet, "security-group"),
    ("security-group-rules", SecurityGroupRuleViewSet, "security-group-rule"),
    ("operations", OperationViewSet, "operation"),
    ("flavors", FlavorViewSet, "flavor"),
    ("images", ImageViewSet, "image"),
    ("projects", ProjectViewSet, "project"),
    ("api-tokens", APITokenViewSet, "api-token"),
    ("events", EventViewSet, "event"),
    ("webhooks", WebhookViewSet, "webhook"),
)


class GuideName(StringConverter):
    regex = "|".join(guide.name for guide in GUIDES)


register_converter(GuideName, "guide")
router = SimpleRouter(trailing_slash=False, use_regex_path=False)
for prefix, viewset, basename in NOUNS:
    router.register(prefix, viewset, basename=basename)

#: Where the root leads: to every list, and to all that is not a resource.
ROUTES = {
    **{prefix.replace("-", "_"): f"{basename}-list" for prefix, _, basename in NOUNS},
    "me": "auth-me",
    "docs": "docs",
    "schema": "schema",
    "problems": "problems",
    # At the root, where probes look for them.
    "health": "health",
    "ready": "ready",
}
HTMLRenderer.navigation = [
    *(
        (viewset.title(plural=True), f"{basename}-list")
        for _, viewset, basename in NOUNS
        if viewset.is_in_navigation
    ),
    ("Docs", "docs"),
]

urlpatterns = [
    # First, as they are asked for most: the others are tried one after the other.
    *router.urls,
    path("", Root.as_view(routes=ROUTES), name="root"),
    path("schema", Schema.as_view(), name="schema"),
    path("docs", Docs.as_view(), name="docs"),
    path("docs/index", DocsIndex.as_view(), name="docs-index"),
    path("docs/guides/<guide:name>", GuidePage.as_view(), name="guide"),
    path(
        "vms/<uuid:id>/snapshots",
        VMSnapshotViewSet.as_view({"get": "list", "post": "create"}),
        name="vm-snapshots",
    ),
    path(
        "security-groups/<uuid:id>/rules",
        GroupRuleViewSet.as_view({"get": "list", "post": "create", "put": "set_rules"}),
        name="security-group-rules",
    ),
    path(
        "security-groups/<uuid:id>/rules/<uuid:rule>",
        GroupRuleViewSet.as_view({"delete": "destroy"}),
        name="security-group-own-rule",
    ),
    path(
        "events/stream",
        EventStreamViewSet.as_view({"get": "stream"}),
        name="event-stream",
    ),
    path("events/ws", EventStreamViewSet.as_view({"get": "socket"}), name="event-ws"),
    path("events/tickets", Tickets.as_view(), name="event-tickets"),
    path(
        "webhooks/<uuid:id>/deliveries",
        DeliveryViewSet.as_view({"get": "list"}),
        name="webhook-deliveries",
    ),
    path(
        "webhooks/<uuid:id>/deliveries/<uuid:delivery>",
        DeliveryViewSet.as_view({"get": "retrieve"}),
        name="webhook-delivery",
    ),
    path(
        "webhooks/<uuid:id>/deliveries/<uuid:delivery>/actions/redeliver",
        DeliveryViewSet.as_view({"post": "redeliver"}),
        name="webhook-delivery-redeliver",
    ),
    path(
        "webhooks/<uuid:id>/actions/test",
        DeliveryViewSet.as_view({"post": "test"}),
        name="webhook-test",
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
        "projects/<uuid:id>/members/<str:username>",
        MemberViewSet.as_view({"get": "retrieve", "put": "set", "delete": "remove"}),
        name="project-member",
    ),
    path(
        "projects/<uuid:id>/quota",
        QuotaViewSet.as_view({"get": "retrieve", "patch": "partial_update"}),
        name="project-quota",
    ),
    path("<path:rest>", Nothing.as_view()),
]
