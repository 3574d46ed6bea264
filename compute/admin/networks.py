"""Networks and subnets, for operators."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import attachments
from compute.admin.console import display, filters
from compute.admin.console.display import page_url
from compute.admin.console.forms import LineField, NamesField
from compute.admin.console.operators import may
from compute.admin.console.pages import Link, Table
from compute.admin.network_resources import (
    NetworkResourceAdmin,
    Part,
    ResourceCreateForm,
    ResourceForm,
    ranges_of,
)
from compute.admin.offers import Offer
from compute.events import Actor
from compute.models import Network, Port, Router, Subnet
from compute.services import networks, subnets
from compute.services.actions import SUBNET_ACTIONS


class NetworkForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = Network


class NetworkCreateForm(ResourceCreateForm):
    cidr = LineField(
        required=False,
        label="CIDR",
        help_text="With a subnet of this range, such as 10.1.0.0/24.",
    )
    internet = forms.BooleanField(
        required=False,
        help_text="With a router to the cloud's external network. Needs a CIDR.",
    )
    field_order = ("name", "project", "cloud", "cidr", "internet")

    def clean_cidr(self) -> str | None:
        return self.cleaned_data["cidr"] or None


class SubnetCreateForm(forms.Form):
    """What `services.subnets.create` takes of a network's subnet."""

    name = LineField()
    cidr = LineField(label="CIDR", help_text="Such as 10.1.1.0/24 or fd00:1::/64.")
    gateway_ip = LineField(
        required=False, label="Gateway IP", help_text="If empty, the first address."
    )
    dns_nameservers = NamesField(label="DNS nameservers", help_text=NamesField.HELP)
    dhcp = forms.BooleanField(required=False, initial=True, label="DHCP")

    def __init__(self, network: Network, data: Any) -> None:
        super().__init__(data)


def _add_subnet(network: Network, actor: Actor, values: dict[str, Any]) -> Subnet:
    gateway_ip = values.pop("gateway_ip")
    if gateway_ip:
        values["gateway_ip"] = gateway_ip
    return subnets.create(
        project=network.project, actor=actor, network=str(network.pk), **values
    )


@admin.register(Network)
class NetworkAdmin(NetworkResourceAdmin[Network]):
    services = networks
    delete_warning = "Its subnets are deleted with it."
    parts = {
        "add-subnet": Part("Add subnet", "subnet.create", SubnetCreateForm, _add_subnet)
    }
    form = NetworkForm
    list_display = ("name", "badge", "ranges", "use", "owner", "cloud", "created")
    list_filter = (
        filters.StatusFilter,
        filters.OwnerFilter,
        filters.CloudFilter,
        "external",
        "shared",
        filters.CREATED,
        filters.DeletedFilter,
    )
    search_help_text = (
        "Part of the name, or the beginning of the id or of a subnet's range"
    )
    details = (
        "id_shown",
        "owner",
        "cloud",
        "ranges",
        "use",
        "mtu_bytes",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    mtu_bytes = staticmethod(display.plain_field("mtu", "MTU"))

    @admin.display(description="Subnets")
    def ranges(self, network: Network) -> str:
        return ranges_of(network)

    @admin.display(description="Use")
    def use(self, network: Network) -> str:
        words = {
            "external": network.external,
            "shared": network.shared,
            "default": network.default,
        }
        return ", ".join(word for word, is_so in words.items() if is_so) or display.NONE

    def also_found_by(self, text: str) -> Q:
        there = Subnet.objects.alive().filter(cidr__startswith=text)
        return Q(pk__in=there.values("network"))

    def links_of(self, request: HttpRequest, network: Network) -> Sequence[Link]:
        if not network.external or not may(request, "floating-ip.list"):
            return ()
        url = reverse("admin:compute_floatingip_changelist")
        return [Link("Floating IPs", f"{url}?network__id__exact={network.pk}")]

    def facts(self, request: HttpRequest, network: Network) -> SafeString | str:
        use = self.use(network)
        return format_html(
            "{}{}",
            ranges_of(network) if network.subnets else "no subnets",
            "" if use == display.NONE else f", {use}",
        )

    def tables(self, request: HttpRequest, network: Network) -> Sequence[Table]:
        rest = self._subnets(request, network) + self._routers(request, network)
        if network.external:
            # No VM can be on it.
            return rest
        ports = Port.objects.alive().filter(network=network)
        return [*attachments.vms_on(request, ports, names_network=False), *rest]

    def _subnets(self, request: HttpRequest, network: Network) -> list[Table]:
        if not may(request, "subnet.list"):
            return []
        rows = network.subnet_rows.filter(deleted_at=None).select_related("router")
        lines = [
            [
                display.link(subnet),
                display.badge(subnet.status),
                subnet.cidr,
                subnet.gateway_ip or display.NONE,
                display.listed(subnet.dns_nameservers),
                "yes" if subnet.dhcp else "no",
            ]
            for subnet in rows.order_by("created_at", "id")
        ]
        columns = ("Subnet", "Status", "Range", "Gateway", "Nameservers", "DHCP")
        return [
            Table(
                title="Subnets",
                columns=columns,
                rows=lines,
                nothing="No subnets.",
            )
        ]

    def _routers(self, request: HttpRequest, network: Network) -> list[Table]:
        if not may(request, "router.list"):
            return []
        own = Subnet.objects.alive().filter(network=network)
        there = Router.objects.alive().filter(
            Q(external_network=network) | Q(pk__in=own.values("router"))
        )
        lines = [
            [
                display.link(router),
                display.badge(router.status),
                ranges_of(router),
                display.NONE
                if router.external_network is None
                else display.link(router.external_network),
                router.external_ip or display.NONE,
            ]
            for router in there.select_related("external_network").order_by("name")[
                : attachments.MAX_LINES
            ]
        ]
        columns = ("Router", "Status", "Subnets", "Gateway to", "Its address there")
        return [
            Table(
                title="Routers",
                columns=columns,
                rows=lines,
                nothing="No routers.",
            )
        ]

    def create_form(self, request: HttpRequest, data: Any) -> NetworkCreateForm:
        return NetworkCreateForm(data)


class SubnetForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = Subnet


@admin.register(Subnet)
class SubnetAdmin(NetworkResourceAdmin[Subnet]):
    services = subnets
    delete_warning = "No VM can get an address of it any more."
    verbs = SUBNET_ACTIONS
    offers = {
        # Shown as they are: what is left empty, it will not have.
        ("configure", "gateway_ip"): Offer(initial=lambda _, subnet: subnet.gateway_ip),
        ("configure", "dns_nameservers"): Offer(
            initial=lambda _, subnet: subnet.dns_nameservers
        ),
    }
    joins = ("network", "router")
    form = SubnetForm
    list_display = (
        "name",
        "badge",
        "range",
        "network_page",
        "gateway",
        "router_page",
        "owner",
        "cloud",
        "created",
    )
    list_filter = (
        filters.StatusFilter,
        filters.OwnerFilter,
        filters.CloudFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    links = ("network__id__exact",)
    search_help_text = "Part of the name, or the beginning of the id or of the range"
    details = (
        "id_shown",
        "network_page",
        "router_page",
        "owner",
        "cloud",
        "range",
        "gateway",
        "nameservers",
        "has_dhcp",
        "pools",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    range = staticmethod(display.plain_field("cidr", "Range"))
    gateway = staticmethod(display.plain_field("gateway_ip", "Gateway"))
    network_page = staticmethod(display.link_column("network", "Network"))
    router_page = staticmethod(display.link_column("router", "Router"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A subnet is added on the page of its network.
        return False

    @admin.display(description="DHCP", boolean=True)
    def has_dhcp(self, subnet: Subnet) -> bool:
        return subnet.dhcp

    @admin.display(description="DNS nameservers")
    def nameservers(self, subnet: Subnet) -> SafeString | str:
        return display.listed(subnet.dns_nameservers)

    @admin.display(description="Allocation pools")
    def pools(self, subnet: Subnet) -> SafeString | str:
        pools = subnet.allocation_pools
        return display.listed(f"{pool['start']} to {pool['end']}" for pool in pools)

    def also_found_by(self, text: str) -> Q:
        return Q(cidr__startswith=text)

    def links_of(self, request: HttpRequest, subnet: Subnet) -> Sequence[Link]:
        return [Link("Its network", page_url(subnet.network))]

    def facts(self, request: HttpRequest, subnet: Subnet) -> SafeString | str:
        return format_html(
            '{} <span class="quiet">of</span> {}',
            subnet.cidr,
            display.link(subnet.network),
        )
