"""Floating IPs, for operators."""

from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin.console import display, export
from compute.admin.console.forms import LineField, SuggestingInput
from compute.admin.network_resources import (
    NetworkResourceAdmin,
    ResourceCreateForm,
    ResourceForm,
)
from compute.admin.offers import SUGGESTIONS, Offer
from compute.models import VM, FloatingIP
from compute.services import floating_ips
from compute.services.actions import FLOATING_IP_ACTIONS


class FloatingIPForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = FloatingIP


class FloatingIPCreateForm(ResourceCreateForm):
    name = LineField(required=False, help_text="Its address is name enough.")
    network = LineField(
        required=False,
        help_text="Name or id of an external network; if empty, the cloud's only one.",
    )
    vm = LineField(
        required=False,
        label="VM",
        help_text="Name or id of a VM that it shall lead to.",
    )
    fixed_ip = LineField(
        required=False,
        label="Fixed IP",
        help_text="Which address of the VM, if it has several.",
    )
    field_order = ("name", "project", "cloud", "network", "vm", "fixed_ip")

    def clean_network(self) -> str | None:
        return self.cleaned_data["network"] or None

    def clean_vm(self) -> str | None:
        return self.cleaned_data["vm"] or None

    def clean_fixed_ip(self) -> str | None:
        return self.cleaned_data["fixed_ip"] or None


def _vms_with_addresses(floating_ip: FloatingIP) -> SuggestingInput:
    there = VM.objects.alive().filter(
        project=floating_ip.project_id, cloud=floating_ip.cloud
    )
    fits = there.exclude(networks=[]).order_by("name").values_list("name", flat=True)
    return SuggestingInput(list(fits[:SUGGESTIONS]))


@admin.register(FloatingIP)
class FloatingIPAdmin(NetworkResourceAdmin[FloatingIP]):
    services = floating_ips
    delete_warning = "Its address is given back, and may soon be somebody else's."
    verbs = FLOATING_IP_ACTIONS
    offers = {("attach", "vm"): Offer(_vms_with_addresses, "vm.list")}
    joins = ("network", "vm")
    form = FloatingIPForm
    list_display = (
        "shown_name",
        "badge",
        "leads_to",
        "network_page",
        "project",
        "cloud",
        "created",
    )
    exported = {
        **NetworkResourceAdmin.exported,
        **export.of("address", "vm.name", "fixed_ip", "network.name"),
    }
    links = ("network__id__exact", "vm__id__exact")
    search_help_text = (
        "Part of the name, or the beginning of the id, the address, or where it leads"
    )
    details = (
        "id_shown",
        "address",
        "leads_to",
        "network_page",
        "project",
        "cloud",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    network_page = staticmethod(display.link_column("network", "External network"))

    @admin.display(description="Address", ordering="address")
    def shown_name(self, floating_ip: FloatingIP) -> str:
        words = dict.fromkeys((floating_ip.address, floating_ip.name))
        return ", ".join(filter(None, words)) or str(floating_ip)

    @admin.display(description="Leads to", ordering="vm__name")
    def leads_to(self, floating_ip: FloatingIP) -> SafeString | str:
        if floating_ip.vm is None:
            return display.NONE
        vm = display.link(floating_ip.vm)
        return format_html("{} {}", vm, floating_ip.fixed_ip or "")

    def also_found_by(self, text: str) -> Q:
        return Q(address__startswith=text) | Q(fixed_ip__startswith=text)

    def facts(self, request: HttpRequest, floating_ip: FloatingIP) -> SafeString:
        where = (
            "leads nowhere"
            if floating_ip.vm is None
            else format_html("leads to {}", self.leads_to(floating_ip))
        )
        return format_html(
            '{} <span class="quiet">of</span> {} {}',
            floating_ip.address or "an address to come",
            display.link(floating_ip.network),
            where,
        )

    def create_form(self, request: HttpRequest, data: Any) -> FloatingIPCreateForm:
        return FloatingIPCreateForm(data)
