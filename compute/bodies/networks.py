"""A network, and what belongs to it."""

from collections.abc import Callable
from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Subquery
from django.db.models.functions import Coalesce

from compute.bodies.body import (
    FLAG,
    ID,
    LABELS,
    NUMBER,
    PROBLEM,
    TEXT,
    TIME,
    Body,
    Field,
    Many,
    Schema,
    one_of,
)
from compute.bodies.examples import (
    AT,
    FLOATING_IP_ID,
    GROUP_ID,
    LATER,
    NETWORK_ID,
    OPERATION_ID,
    OUTSIDE_ID,
    PORT_ID,
    PROJECT_ID,
    ROUTER_ID,
    RULE_ID,
    SUBNET_ID,
    VM_ID,
)
from compute.bodies.reader import Reader, null_if_empty, or_null, problem
from compute.models import (
    VM,
    FloatingIP,
    Network,
    ResourceStatus,
    Router,
    SecurityGroup,
    Subnet,
)
from compute.models.network_resource import NetworkResource, allowed_actions
from compute.models.security_group import Direction

CIDR: Schema = {"type": "string", "example": "10.1.0.0/24"}
ADDRESS: Schema = {"type": "string", "example": "10.1.0.12"}


def _allowed(kind: type[NetworkResource]) -> Callable[..., tuple[str, ...]]:
    def allowed(
        reader: Reader, status: str, operation_status: str | None, project_id: Any
    ) -> tuple[str, ...]:
        return allowed_actions(
            status,
            operation_status,
            has_project=project_id is not None,
            actions=kind.ACTIONS,
        )

    return allowed


def _head(id: str, name: str, *, shared: bool = False) -> tuple[Field, ...]:
    """Return the fields with which all of them begin."""
    about = "null: the cloud offers it to all." if shared else ""
    return (
        Field("id", ID, id),
        Field("name", TEXT, name),
        Field("description", TEXT, ""),
        Field("project", ID, PROJECT_ID, at="project_id", null=shared, about=about),
        Field("cloud", TEXT, "default", about="Alias of the cloud it lives in."),
        Field("status", one_of(ResourceStatus), "ACTIVE"),
    )


def _tail(kind: type[NetworkResource]) -> tuple[Field, ...]:
    """Return the fields with which all of them end."""
    return (
        Field("labels", LABELS, {}),
        Field(
            "allowed_actions",
            Many(TEXT),
            [*kind.ACTIONS, "delete"],
            at=("status", "operation__status", "project_id"),
            made=_allowed(kind),
            few=True,
            about="The actions that are allowed now.",
        ),
        Field(
            "operation_id", ID, OPERATION_ID, null=True, about="Its newest operation."
        ),
        Field("error", PROBLEM, None, made=problem, null=True),
        Field("version", NUMBER, 2, about="The ETag."),
        Field("created_at", TIME, AT),
        Field("updated_at", TIME, LATER),
        Field("deleted_at", TIME, None, null=True),
    )


RANGE_BODY = Body(
    "SubnetRange", "", Field("id", ID, SUBNET_ID), Field("cidr", CIDR, "10.1.0.0/24")
)

NETWORK_BODY = Body(
    "Network",
    "A network of a project, or one that its cloud offers to all.",
    *_head(NETWORK_ID, "web", shared=True),
    Field("shared", FLAG, False, about="Whether the cloud offers it to all."),
    Field(
        "external",
        FLAG,
        False,
        about="Whether floating IPs and gateways of routers come from it.",
    ),
    Field("mtu", NUMBER, 1450, null=True),
    Field("subnets", Many(RANGE_BODY), [RANGE_BODY.example]),
    *_tail(Network),
)

POOL_BODY = Body(
    "AllocationPool",
    "",
    Field("start", ADDRESS, "10.1.0.2"),
    Field("end", ADDRESS, "10.1.0.254"),
)

SUBNET_BODY = Body(
    "Subnet",
    "A range of addresses of a network.",
    *_head(SUBNET_ID, "web", shared=True),
    Field("network", ID, NETWORK_ID, at="network_id"),
    Field("cidr", CIDR, "10.1.0.0/24"),
    Field("ip_version", NUMBER, 4),
    Field("gateway_ip", ADDRESS, "10.1.0.1", null=True),
    Field("dns_nameservers", Many(ADDRESS), ["192.0.2.53"]),
    Field("dhcp", FLAG, True),
    Field("allocation_pools", Many(POOL_BODY), [POOL_BODY.example]),
    Field("router", ID, ROUTER_ID, at="router_id", null=True),
    *_tail(Subnet),
)

ROUTER_BODY = Body(
    "Router",
    "What connects subnets with each other, and with an external network.",
    *_head(ROUTER_ID, "web"),
    Field(
        "external_network",
        ID,
        OUTSIDE_ID,
        at="external_network_id",
        null=True,
        about="Where its gateway leads; null: it has none.",
    ),
    Field("external_ip", ADDRESS, "198.18.0.7", null=True),
    Field("subnets", Many(RANGE_BODY), [RANGE_BODY.example]),
    *_tail(Router),
)

FLOATING_IP_BODY = Body(
    "FloatingIP",
    "An address of an external network that leads to a VM.",
    *_head(FLOATING_IP_ID, ""),
    Field(
        "address",
        ADDRESS,
        "198.18.0.12",
        made=or_null,
        sql=null_if_empty("address"),
        null=True,
        about="null: the cloud has not given it yet.",
    ),
    Field("network", ID, OUTSIDE_ID, at="network_id", about="The external network."),
    Field("vm", ID, VM_ID, at="vm_id", null=True),
    Field("port", ID, PORT_ID, at="port_id", null=True),
    Field("fixed_ip", ADDRESS, "10.1.0.12", null=True, about="Where it leads."),
    *_tail(FloatingIP),
)

_RULE_FIELDS = (
    Field("direction", one_of(Direction), "ingress"),
    Field("ip_version", NUMBER, 4),
    Field("protocol", TEXT, "tcp", null=True, about="null: any."),
    Field("port_min", NUMBER, 443, null=True),
    Field("port_max", NUMBER, 443, null=True),
    Field("icmp_type", NUMBER, None, null=True),
    Field("icmp_code", NUMBER, None, null=True),
    Field("cidr", CIDR, "0.0.0.0/0", null=True),
)

#: As a group's body has it.
GROUP_RULE_BODY = Body(
    "SecurityGroupRuleOfGroup",
    "",
    Field("id", ID, RULE_ID),
    *_RULE_FIELDS,
    Field("group", ID, None, null=True),
    Field("description", TEXT, ""),
)

#: VMs with a port that has a group.
_VMS = Coalesce(
    Subquery(
        VM.objects.filter(ports__security_groups=OuterRef("pk"), ports__deleted_at=None)
        .order_by()
        .values("ports__security_groups")
        .annotate(number=Count("pk", distinct=True))
        .values("number")[:1]
    ),
    0,
    output_field=IntegerField(),
)

SECURITY_GROUP_BODY = Body(
    "SecurityGroup",
    "What may reach VMs, and what they may reach.",
    *_head(GROUP_ID, "web", shared=True),
    Field("stateful", FLAG, True, about="Whether answers pass without a rule."),
    Field("rules", Many(GROUP_RULE_BODY), [GROUP_RULE_BODY.example]),
    Field(
        "vms",
        NUMBER,
        3,
        at="guarded_vms",
        made=lambda reader, number: number,
        sql=_VMS,
        about="How many VMs have it: that changes without an event, and `version` stays.",
    ),
    *_tail(SecurityGroup),
)

SECURITY_GROUP_RULE_BODY = Body(
    "SecurityGroupRule",
    "One kind of traffic that a security group lets pass.",
    Field("id", ID, RULE_ID),
    Field("security_group", ID, GROUP_ID, at="group_id"),
    Field("project", ID, PROJECT_ID, at="project_id", null=True),
    Field("cloud", TEXT, "default"),
    Field("status", one_of(ResourceStatus), "ACTIVE"),
    *_RULE_FIELDS,
    Field(
        "group",
        ID,
        None,
        at="remote_group_id",
        null=True,
        about="The other end: VMs with this group.",
    ),
    Field("description", TEXT, ""),
    Field("operation_id", ID, OPERATION_ID, null=True),
    Field("error", PROBLEM, None, made=problem, null=True),
    Field("version", NUMBER, 2, about="The ETag."),
    Field("created_at", TIME, AT),
    Field("updated_at", TIME, LATER),
    Field("deleted_at", TIME, None, null=True),
)
