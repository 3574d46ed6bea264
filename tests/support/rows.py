"""One row of everything that the console has a page for."""

from datetime import datetime
from typing import Any

from compute.models import VM, Batch, Cloud, Event, User
from compute.services import keypairs, vms
from tests.conftest import ALICE
from tests.support.factories import (
    APITokenFactory,
    FlavorFactory,
    FloatingIPFactory,
    ImageFactory,
    LoginFactory,
    NetworkFactory,
    PortFactory,
    RouterFactory,
    SecurityGroupFactory,
    SecurityGroupRuleFactory,
    SnapshotFactory,
    SubnetFactory,
    VMFactory,
)


def _cloud(then: datetime) -> Cloud:
    cloud = Cloud.objects.create(alias="default", catalog_refreshed_at=then)
    for service, failures in (("compute", 0), ("network", 3)):
        cloud.services.create(
            service=service,
            observed_at=then,
            failures=failures,
            last_error="No route to host",
            last_error_at=then,
        )
    return cloud


def _networks(vm: VM) -> dict[str, Any]:
    """Put a VM on a network, with all that can be around it."""
    outside = NetworkFactory.create(name="the-internet", project=None, external=True)
    router = RouterFactory.create(external_network=outside, project=vm.project)
    network = NetworkFactory.create(name="a-network-with-rather-a-long-name")
    ip = "fd00:1234:5678:9abc:def0:1234:5678:9abc"
    mac = "fa:16:3e:12:34:56"
    port = PortFactory.create(
        vm=vm, network=network, mac=mac, fixed_ips=[{"subnet": None, "ip": ip}]
    )
    group = SecurityGroupFactory.create(name="what-reaches-the-web-servers")
    port.security_groups.add(group)
    vm.networks = [
        {
            "network": str(network.pk),
            "port": str(port.pk),
            "mac": mac,
            "addresses": [{"ip": ip, "type": "fixed"}],
            "security_groups": [str(group.pk)],
        }
    ]
    vm.save(update_fields=["networks"])
    return {
        "network": network,
        "subnet": SubnetFactory.create(network=network, router=router),
        "router": router,
        "floatingip": FloatingIPFactory.create(
            network=outside, project=vm.project, vm=vm, port=port, fixed_ip="10.1.0.12"
        ),
        "securitygroup": group,
        "securitygrouprule": SecurityGroupRuleFactory.create(
            group=group, remote_group=group, description="From each other, all of it."
        ),
    }


def one_of_each(user: User) -> dict[str, Any]:
    """Make them, with a time wherever there can be one; return kind -> row."""
    vm = VMFactory.create(name="a-machine-with-rather-a-long-name-01")
    snapshot = SnapshotFactory.create(name="before-the-upgrade-of-everything", vm=vm)
    vms.act(vm, "stop", actor=ALICE)
    vm.refresh_from_db()
    then = vm.created_at
    keypair, _ = keypairs.create(project=vm.project, actor=ALICE, name="laptop")
    return {
        "vm": vm,
        "snapshot": snapshot,
        "keypair": keypair,
        "operation": vm.operation,
        "batch": Batch.objects.create(action="stop", asked=0, requested_by="user:x"),
        "event": Event.objects.about("vm", vm.pk).first(),
        "project": vm.project,
        "flavor": FlavorFactory.create(vanished_at=then),
        "image": ImageFactory.create(vanished_at=then),
        "cloud": _cloud(then),
        "apitoken": APITokenFactory.create(),
        "login": LoginFactory.create(revoked_at=then),
        "user": user,
        **_networks(vm),
    }
