"""The nouns: one line for each kind of thing that a project owns."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

from django.db.models import Count, F, Sum

from compute.models.floating_ip import FloatingIP
from compute.models.keypair import Keypair
from compute.models.network import Network, Subnet
from compute.models.operation import Operation
from compute.models.owned import CloudResource, Owned
from compute.models.project import Project
from compute.models.quota import Resource
from compute.models.router import Router
from compute.models.security_group import SecurityGroup, SecurityGroupRule
from compute.models.snapshot import Snapshot
from compute.models.vm import VM
from compute.models.webhook import Webhook


@dataclass(frozen=True, slots=True)
class Kind:
    #: In the path of the API, and of an event's subject.
    plural: str
    model: type[Owned]
    #: What a row takes of its project's quotas: resource -> the fields whose sum it is;
    #: without a field a row is one.
    holds: Mapping[Resource, tuple[str, ...]]


_VM_HOLDS = {
    Resource.VMS: (),
    Resource.VCPUS: ("vcpus", "reserved_vcpus"),
    Resource.RAM_MB: ("ram_mb", "reserved_ram_mb"),
    Resource.DISK_GB: ("disk_gb", "reserved_disk_gb"),
}

#: Slug -> kind. A slug is stored: in operations, occupations and events.
KINDS: Mapping[str, Kind] = {
    "vm": Kind("vms", VM, _VM_HOLDS),
    "snapshot": Kind("snapshots", Snapshot, {Resource.SNAPSHOTS: ()}),
    "keypair": Kind("keypairs", Keypair, {Resource.KEYPAIRS: ()}),
    "network": Kind("networks", Network, {Resource.NETWORKS: ()}),
    "subnet": Kind("subnets", Subnet, {Resource.SUBNETS: ()}),
    "router": Kind("routers", Router, {Resource.ROUTERS: ()}),
    "floating-ip": Kind("floating-ips", FloatingIP, {Resource.FLOATING_IPS: ()}),
    "security-group": Kind(
        "security-groups", SecurityGroup, {Resource.SECURITY_GROUPS: ()}
    ),
    "security-group-rule": Kind(
        "security-group-rules",
        SecurityGroupRule,
        {Resource.SECURITY_GROUP_RULES: ()},
    ),
    "webhook": Kind("webhooks", Webhook, {Resource.WEBHOOKS: ()}),
}


#: Those that operations are about.
TARGETS = tuple(
    slug for slug, kind in KINDS.items() if issubclass(kind.model, CloudResource)
)


def held_by(row: Owned) -> dict[Resource, int]:
    """Return what a row takes of its project's quotas as it is now."""
    if not row.counted:
        return {}
    return {
        resource: sum(getattr(row, field) for field in fields) if fields else 1
        for resource, fields in KINDS[row.kind].holds.items()
    }


def in_use(project: Project) -> dict[Resource, int]:
    """Return what a project has, counted from its rows: what ``used`` must equal."""
    used: dict[Resource, int] = {}
    for kind in KINDS.values():
        counted = kind.model._default_manager.filter(project=project, counted=True)
        totals = counted.aggregate(
            **{
                resource.value: Sum(reduce(add, map(F, fields)), default=0)
                if fields
                else Count("pk")
                for resource, fields in kind.holds.items()
            }
        )
        used |= {Resource(name): total for name, total in totals.items()}
    return used


def target(operation: Operation) -> Any:
    """Return what an operation is about; it is there, deleted or not."""
    return find(operation.target_kind, operation.target_id)


def find(kind: str, id: UUID | None) -> Any:
    """Return a row by its kind and id, or ``None``."""
    if kind not in KINDS or id is None:
        return None
    return KINDS[kind].model._default_manager.filter(pk=id).first()
