"""Networks and VMs on them, as tests ask for them."""

from typing import Any

from compute.models import VM, FloatingIP, Network, Operation, Project, SecurityGroup
from compute.services import floating_ips, networks, security_groups, vms
from compute.services.ports import Wish
from tests.conftest import ALICE, drain_all

HTTPS = {"direction": "ingress", "protocol": "tcp", "port_min": 443, "port_max": 443}
PING = {"direction": "ingress", "protocol": "icmp", "icmp_type": 8}


def make_network(
    project: Project,
    name: str = "web",
    cidr: str = "10.1.0.0/24",
    *,
    internet: bool = True,
) -> Network:
    made = networks.create(
        project=project, actor=ALICE, name=name, cidr=cidr, internet=internet
    )
    drain_all()
    return Network.objects.get(pk=made.pk)


def make_vm(
    project: Project, *wanted: str | Wish, name: str = "web-1", **more: Any
) -> VM:
    wishes = [Wish(place) if isinstance(place, str) else place for place in wanted]
    made = ask_for_vm(project, *wishes, name=name, **more)
    drain_all()
    return VM.objects.get(pk=made.pk)


def ask_for_vm(project: Project, *wishes: Wish, name: str = "web-1", **more: Any) -> VM:
    return vms.create(
        project=project,
        actor=ALICE,
        name=name,
        flavor="m1.small",
        image="cirros",
        networks=wishes,
        **more,
    )


def make_group(project: Project, name: str = "web", *rules: Any) -> SecurityGroup:
    made = security_groups.create(
        project=project, actor=ALICE, name=name, rules_given=rules
    )
    drain_all()
    return SecurityGroup.objects.get(pk=made.pk)


def make_floating_ip(project: Project, vm: VM | None = None) -> FloatingIP:
    made = floating_ips.create(
        project=project, actor=ALICE, vm=str(vm.pk) if vm else None
    )
    drain_all()
    return FloatingIP.objects.get(pk=made.pk)


def newest() -> Operation:
    return Operation.objects.latest("created_at")
