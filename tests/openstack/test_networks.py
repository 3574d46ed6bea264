"""Networks on a real Neutron and Nova: the whole life, lost answers, an outage."""

import time
from typing import Any

import pytest

from compute.models import VM, FloatingIP, Network, Operation, Project, SecurityGroup
from compute.services import (
    floating_ips,
    networks,
    routers,
    security_groups,
    subnets,
    vms,
)
from compute.services.ports import Wish
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, list_networks, observe
from tests.openstack.conftest import Bench, audit, wait_until, work
from tests.support.networking import HTTPS, PING

#: Seconds that a request takes to arrive: longer than its client waits.
LATE = 8

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


@pytest.fixture
def ground(catalogue: None, emptied: None) -> None:
    """The cloud's catalogue and networks, and nothing left of the test."""
    list_networks("default")


def done(row: Any) -> Any:
    """Wait for the end of what was asked for, which succeeds; return the row."""
    work()
    row.refresh_from_db()
    newest = Operation.objects.latest("created_at")
    assert (newest.status, newest.error) == ("SUCCEEDED", None)
    return row


def make_network(project: Project, name: str, cidr: str, *, internet: bool) -> Any:
    return done(
        networks.create(
            project=project, actor=ALICE, name=name, cidr=cidr, internet=internet
        )
    )


def make_vm(project: Project, *wishes: Wish, **more: Any) -> VM:
    made: VM = done(
        vms.create(
            project=project,
            actor=ALICE,
            name="front",
            flavor="m1.tiny",
            image="cirros",
            networks=wishes,
            **more,
        )
    )
    assert made.status == "ACTIVE"
    return made


def test_the_whole_life(ground: None, project: Project, cloud: OpenStackCloud) -> None:
    web = make_network(project, "web", "10.1.0.0/24", internet=True)
    back = make_network(project, "back", "10.2.0.0/24", internet=False)
    group = done(
        security_groups.create(
            project=project, actor=ALICE, name="web", rules_given=[HTTPS]
        )
    )
    vm = make_vm(project, Wish("web", "10.1.0.77"), security_groups=["web"])
    assert vm.networks[0]["addresses"] == [{"ip": "10.1.0.77", "type": "fixed"}]
    assert vm.security_groups == [str(group.pk)]
    floating_ip = done(floating_ips.create(project=project, actor=ALICE, vm=str(vm.pk)))
    assert (floating_ip.vm, floating_ip.fixed_ip) == (vm, "10.1.0.77")
    done(vms.attach_network(vm, network="back", ip="10.2.0.9", actor=ALICE))
    vm.refresh_from_db()
    assert len(vm.networks) == 2
    audit(cloud)
    done(security_groups.set_rules(group, [HTTPS, PING], actor=ALICE))
    done(vms.set_security_groups(vm, security_groups=["default"], actor=ALICE))
    done(vms.detach_network(vm, network="back", actor=ALICE))
    observe(full=True)
    audit(cloud)
    done(floating_ips.detach(floating_ip, actor=ALICE))
    done(vms.delete(vm, actor=ALICE))
    done(floating_ips.delete(floating_ip, actor=ALICE))
    done(security_groups.delete(group, actor=ALICE))
    subnet = web.subnet_rows.get()
    done(subnets.configure(subnet, dns_nameservers=["192.0.2.53"], actor=ALICE))
    router = subnet.router
    done(routers.detach_subnet(router, subnet=str(subnet.pk), actor=ALICE))
    done(routers.set_gateway(router, network=None, actor=ALICE))
    done(routers.delete(router, actor=ALICE))
    done(networks.delete(web, actor=ALICE))
    done(networks.delete(back, actor=ALICE))
    observe(full=True)
    assert not Network.objects.alive().filter(project=project).exists()
    assert not SecurityGroup.objects.alive().filter(project=project).exists()
    assert not FloatingIP.objects.alive().exists()
    audit(cloud)


@pytest.mark.parametrize(
    "match",
    ["POST /v2.0/networks", "POST /v2.0/subnets", "POST /v2.0/routers"],
)
def test_a_call_that_arrives_after_its_client_gave_up_is_done_once(
    ground: None,
    project: Project,
    cloud: OpenStackCloud,
    bench: Bench,
    match: str,
) -> None:
    arrived = time.monotonic() + LATE + 3
    bench.fault("http.neutron", match=match, delay=LATE, times=1)
    make_network(project, "web", "10.1.0.0/24", internet=True)
    wait_until(lambda: time.monotonic() > arrived)
    observe(full=True)
    audit(cloud)


def test_a_port_that_arrives_late_is_made_once(
    ground: None, project: Project, cloud: OpenStackCloud, bench: Bench
) -> None:
    make_network(project, "web", "10.1.0.0/24", internet=False)
    arrived = time.monotonic() + LATE + 3
    bench.fault("http.neutron", match="POST /v2.0/ports", delay=LATE, times=1)
    make_vm(project, Wish("web"))
    wait_until(lambda: time.monotonic() > arrived)
    observe(full=True)
    audit(cloud)


def test_neutron_is_away_in_the_middle(
    ground: None, project: Project, cloud: OpenStackCloud, bench: Bench
) -> None:
    bench.fault("http.neutron", match="POST /v2.0/routers", status=503, times=3)
    network = make_network(project, "web", "10.1.0.0/24", internet=True)
    assert (network.status, len(network.subnets)) == ("ACTIVE", 1)
    observe(full=True)
    audit(cloud)


def test_what_neutron_refuses_is_undone(
    ground: None, project: Project, cloud: OpenStackCloud, bench: Bench
) -> None:
    bench.fault("http.neutron", match="POST /v2.0/routers", status=409, times=1)
    network = networks.create(
        project=project, actor=ALICE, name="web", cidr="10.1.0.0/24", internet=True
    )
    work()
    network.refresh_from_db()
    assert network.status == "ERROR"
    observe(full=True)
    audit(cloud)
