"""Routers, for operators."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import display
from compute.admin.console.forms import LineField, SuggestingInput
from compute.admin.console.operators import may
from compute.admin.console.pages import Table
from compute.admin.network_resources import (
    NetworkResourceAdmin,
    ResourceCreateForm,
    ResourceForm,
    ranges_of,
)
from compute.admin.offers import SUGGESTIONS, Offer
from compute.models import Network, Router, Subnet
from compute.services import routers
from compute.services.actions import ROUTER_ACTIONS


class RouterForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = Router


class RouterCreateForm(ResourceCreateForm):
    external_network = LineField(
        required=False, help_text="Name or id; if empty, it has no gateway."
    )
    field_order = ("name", "project", "cloud", "external_network")

    def clean_external_network(self) -> str | None:
        return self.cleaned_data["external_network"] or None


def _subnets_without_router(router: Router) -> SuggestingInput:
    free = Subnet.objects.alive().filter(
        project=router.project_id, cloud=router.cloud, router=None
    )
    usable = free.exclude(gateway_ip=None).order_by("name")
    return SuggestingInput(list(usable.values_list("name", flat=True)[:SUGGESTIONS]))


def _its_subnets(router: Router) -> forms.Select:
    there = router.subnet_rows.filter(deleted_at=None).order_by("created_at", "id")
    return forms.Select(
        choices=[(str(row.pk), f"{row.name}, {row.cidr}") for row in there]
    )


def _external_networks(router: Router) -> SuggestingInput:
    there = Network.objects.alive().filter(
        Q(project=None) | Q(project=router.project_id),
        cloud=router.cloud,
        external=True,
    )
    names = there.order_by("name").values_list("name", flat=True)
    return SuggestingInput(list(names[:SUGGESTIONS]))


def _its_gateway(request: HttpRequest, router: Router) -> str | None:
    return router.external_network.name if router.external_network else None


@admin.register(Router)
class RouterAdmin(NetworkResourceAdmin[Router]):
    services = routers
    delete_warning = "Its gateway's address is given back."
    verbs = ROUTER_ACTIONS
    offers = {
        ("attach-subnet", "subnet"): Offer(_subnets_without_router, "subnet.list"),
        ("detach-subnet", "subnet"): Offer(_its_subnets, "subnet.list"),
        ("set-gateway", "network"): Offer(
            _external_networks, "network.list", _its_gateway
        ),
    }
    joins = ("external_network",)
    form = RouterForm
    list_display = (
        "name",
        "badge",
        "ranges",
        "gateway",
        "outer_ip",
        "project",
        "cloud",
        "created",
    )
    search_help_text = "Part of the name, or the beginning of the id or of its address"
    details = (
        "id_shown",
        "project",
        "cloud",
        "ranges",
        "gateway",
        "outer_ip",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    outer_ip = staticmethod(display.plain_field("external_ip", "Its address there"))
    gateway = staticmethod(display.link_column("external_network", "Gateway to"))

    @admin.display(description="Subnets")
    def ranges(self, router: Router) -> str:
        return ranges_of(router)

    def also_found_by(self, text: str) -> Q:
        return Q(external_ip__startswith=text)

    def facts(self, request: HttpRequest, router: Router) -> SafeString | str:
        outside = router.external_network
        if outside is None:
            return "without a gateway"
        return format_html(
            '{} <span class="quiet">on</span> {}',
            router.external_ip or "an address to come",
            display.link(outside),
        )

    def tables(self, request: HttpRequest, router: Router) -> Sequence[Table]:
        if not may(request, "subnet.list"):
            return []
        there = router.subnet_rows.filter(deleted_at=None).select_related("network")
        lines = [
            [
                display.link(subnet),
                display.badge(subnet.status),
                subnet.cidr,
                subnet.gateway_ip or display.NONE,
                display.link(subnet.network),
            ]
            for subnet in there.order_by("created_at", "id")
        ]
        columns = ("Subnet", "Status", "Range", "Gateway", "Network")
        return [
            Table(
                title="Subnets",
                columns=columns,
                rows=lines,
                nothing="No subnets.",
            )
        ]

    def create_form(self, request: HttpRequest, data: Any) -> RouterCreateForm:
        return RouterCreateForm(data)
