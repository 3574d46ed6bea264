"""Security groups and their rules, for operators."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from compute.admin import attachments
from compute.admin.console import display, filters
from compute.admin.console.display import page_url
from compute.admin.console.forms import LineField, SuggestingInput
from compute.admin.console.operators import may
from compute.admin.console.pages import Link, Table
from compute.admin.network_resources import (
    NetworkResourceAdmin,
    Part,
    ResourceCreateForm,
    ResourceForm,
)
from compute.events import Actor
from compute.limits import MAX_DESCRIPTION
from compute.models import Direction, Port, SecurityGroup, SecurityGroupRule
from compute.models.owned import Versioned
from compute.services import security_groups

#: What a rule without a protocol lets pass.
ANY = "any"
#: Protocols that are asked for most.
PROTOCOLS = ["tcp", "udp", "icmp", "ipv6-icmp"]


class SecurityGroupForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = SecurityGroup


class RuleCreateForm(forms.Form):
    """A rule, by the names that errors point at; what is empty restricts nothing."""

    direction = forms.ChoiceField(choices=Direction.choices)
    ip_version = forms.TypedChoiceField(
        choices=((4, "IPv4"), (6, "IPv6")), coerce=int, label="IP version"
    )
    protocol = LineField(
        required=False,
        widget=SuggestingInput(PROTOCOLS),
        help_text="tcp, udp, icmp, …, or its number; empty: any.",
    )
    port_min = forms.IntegerField(required=False, label="First port")
    port_max = forms.IntegerField(required=False, label="Last port")
    cidr = LineField(
        required=False, label="CIDR", help_text="The other end; empty: anywhere."
    )
    group = LineField(
        required=False, help_text="Instead of a range, VMs with this group."
    )
    icmp_type = forms.IntegerField(required=False, label="ICMP type")
    icmp_code = forms.IntegerField(required=False, label="ICMP code")
    description = LineField(required=False, max_length=MAX_DESCRIPTION)

    def __init__(self, group: SecurityGroup, data: Any) -> None:
        super().__init__(data)


def _add_rule(
    group: SecurityGroup, actor: Actor, values: dict[str, Any]
) -> SecurityGroupRule:
    given = {name: value for name, value in values.items() if value not in ("", None)}
    return security_groups.add_rule(group, given, actor=actor)


def _ports(rule: SecurityGroupRule) -> str:
    """Return the ports of a rule, or what ICMP has in their place."""
    if rule.port_min is not None:
        ends = dict.fromkeys((rule.port_min, rule.port_max))
        return " to ".join(map(str, ends))
    if rule.icmp_type is None:
        return display.NONE
    code = "" if rule.icmp_code is None else f", code {rule.icmp_code}"
    return f"type {rule.icmp_type}{code}"


def _other_end(rule: SecurityGroupRule) -> SafeString | str:
    if rule.remote_group is not None:
        return format_html("VMs with {}", display.link(rule.remote_group))
    return rule.cidr or "anywhere"


@admin.register(SecurityGroup)
class SecurityGroupAdmin(NetworkResourceAdmin[SecurityGroup]):
    services = security_groups
    delete_warning = "Its rules are deleted with it."
    parts = {
        "add-rule": Part(
            "Add rule", "security-group-rule.create", RuleCreateForm, _add_rule
        )
    }
    form = SecurityGroupForm
    list_display = (
        "name",
        "badge",
        "rule_count",
        "vm_count",
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
    search_help_text = "Part of the name, or the beginning of the id"
    details = (
        "id_shown",
        "owner",
        "cloud",
        "stateful",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    @admin.display(description="Rules")
    def rule_count(self, group: SecurityGroup) -> int:
        return len(group.rules)

    @admin.display(description="VMs", ordering="vm_number")
    def vm_count(self, group: SecurityGroup) -> int:
        number: int = group.vm_number  # type: ignore[attr-defined]  # annotated by get_queryset
        return number

    def get_queryset(self, request: HttpRequest) -> QuerySet[SecurityGroup]:
        having = Port.objects.alive().filter(security_groups=OuterRef("pk"))
        numbers = (
            having.order_by()
            .values("security_groups")
            .annotate(number=Count("vm", distinct=True))
            .values("number")
        )
        number = Coalesce(Subquery(numbers), 0, output_field=IntegerField())
        return super().get_queryset(request).annotate(vm_number=number)

    def facts(self, request: HttpRequest, group: SecurityGroup) -> SafeString | str:
        rules = f"{len(group.rules)} rule{'' if len(group.rules) == 1 else 's'}"
        vms = self.vm_count(group)
        return f"{rules}, guards {vms} VM{'' if vms == 1 else 's'}"

    def tables(self, request: HttpRequest, group: SecurityGroup) -> Sequence[Table]:
        ports = Port.objects.alive().filter(security_groups=group)
        return [
            *self._rules(request, group),
            *attachments.vms_on(request, ports, names_network=True),
        ]

    def _rules(self, request: HttpRequest, group: SecurityGroup) -> list[Table]:
        if not may(request, "security-group-rule.list"):
            return []
        rules = group.rule_rows.filter(deleted_at=None).select_related(
            "remote_group", "operation"
        )
        can_delete = may(request, "security-group-rule.delete")
        lines = []
        for rule in rules.order_by("direction", "created_at", "id"):
            url = reverse("admin:compute_securitygrouprule_delete", args=[rule.pk])
            delete = (
                format_html('<a class="button danger" href="{}">Delete…</a>', url)
                if can_delete and "delete" in rule.allowed_actions
                else ""
            )
            lines.append(
                [
                    format_html(
                        '<a href="{}">{}</a>',
                        page_url(rule),
                        Direction(rule.direction).label,
                    ),
                    f"IPv{rule.ip_version}",
                    rule.protocol or ANY,
                    _ports(rule),
                    _other_end(rule),
                    display.short(rule.description, display.MAX_VALUE),
                    display.badge(rule.status),
                    delete,
                ]
            )
        columns = (
            "Direction",
            "IP",
            "Protocol",
            "Ports",
            "The other end",
            "Description",
            "Status",
            "Delete",
        )
        return [
            Table(
                title="Rules",
                columns=columns,
                rows=lines,
                nothing="No rules.",
            )
        ]

    def create_form(self, request: HttpRequest, data: Any) -> ResourceCreateForm:
        return ResourceCreateForm(data)


class RuleForm(ResourceForm):
    class Meta(ResourceForm.Meta):
        model = SecurityGroupRule
        fields = ()


@admin.register(SecurityGroupRule)
class SecurityGroupRuleAdmin(NetworkResourceAdmin[SecurityGroupRule]):
    services = SimpleNamespace(delete=security_groups.remove_rule)
    delete_warning = "What it lets pass may be cut off at once."
    joins = ("group", "remote_group")
    form = RuleForm
    list_display = (
        "direction",
        "badge",
        "group_page",
        "version_of_ip",
        "protocol_named",
        "port_range",
        "other_end",
        "owner",
        "created",
    )
    list_filter = (
        filters.StatusFilter,
        "direction",
        filters.OwnerFilter,
        filters.CloudFilter,
        filters.CREATED,
        filters.DeletedFilter,
    )
    links = ("group__id__exact",)
    search_help_text = (
        "Part of the description, or the beginning of the id or of the range"
    )
    details = (
        "id_shown",
        "group_page",
        "owner",
        "cloud",
        "direction",
        "version_of_ip",
        "protocol_named",
        "port_range",
        "other_end",
        "description",
        "cloud_id",
        "created_on",
        "updated_on",
        "deleted_on",
    )

    version_of_ip = staticmethod(display.plain_field("ip_version", "IP version"))
    group_page = staticmethod(display.link_column("group", "Security group"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        # A rule is added on the page of its group.
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return [(None, {"fields": self.details})]

    @admin.display(description="Protocol", ordering="protocol")
    def protocol_named(self, rule: SecurityGroupRule) -> str:
        return rule.protocol or ANY

    @admin.display(description="Ports", ordering="port_min")
    def port_range(self, rule: SecurityGroupRule) -> str:
        return _ports(rule)

    @admin.display(description="The other end")
    def other_end(self, rule: SecurityGroupRule) -> SafeString | str:
        return _other_end(rule)

    def also_found_by(self, text: str) -> Q:
        return Q(description__icontains=text) | Q(cidr__startswith=text)

    def back_url(self, row: Versioned) -> str:
        return page_url(row.group if isinstance(row, SecurityGroupRule) else row)

    def links_of(self, request: HttpRequest, rule: SecurityGroupRule) -> Sequence[Link]:
        return [Link("Its group", page_url(rule.group))]

    def facts(self, request: HttpRequest, rule: SecurityGroupRule) -> SafeString | str:
        return format_html(
            '{} <span class="quiet">of</span> {}', rule.key, display.link(rule.group)
        )
