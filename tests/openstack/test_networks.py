"""Networks on a real Neutron and Nova: the whole life, lost answers, outages, limits."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import openstack
import pytest
from django.utils import timezone
from openstack.connection import Connection

from compute.engine import runner
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
from tests.openstack.conftest import (
    CLOUD,
    Bench,
    audit,
    empty_networks,
    wait_until,
    work,
)
from tests.support.networking import HTTPS, PING, ask_for_vm

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
    made: VM = done(ask_for_vm(project, *wishes, **more))
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


def failed(row: Any, code: str) -> dict[str, Any]:
    """Wait for the end of what was asked for, which fails; return its error."""
    work()
    row.refresh_from_db()
    assert row.status == "ERROR"
    error: dict[str, Any] = Operation.objects.latest("created_at").error or {}
    assert error["code"] == code, error
    assert error["openstack"]["request_id"].startswith("req-")
    return error


def test_neutron_is_away_for_a_minute(
    ground: None, project: Project, cloud: OpenStackCloud, bench: Bench
) -> None:
    make_network(project, "web", "10.1.0.0/24", internet=True)
    bench("kill", "neutron-api")
    try:
        network = networks.create(
            project=project, actor=ALICE, name="back", cidr="10.2.0.0/24"
        )
        vm = ask_for_vm(project, Wish("web"))
        back = time.monotonic() + 60
        while time.monotonic() < back:
            for operation in Operation.objects.claimable(timezone.now()):
                runner.run(operation.pk)
            observe(full=True)
            time.sleep(1)
        assert Operation.objects.live().count() == 2
    finally:
        bench("start", "neutron-api")
    work()
    for row in (network, vm):
        row.refresh_from_db()
        assert row.status == "ACTIVE"
    observe(full=True)
    audit(cloud)


@contextmanager
def quota(admin: Connection, **limits: int) -> Iterator[None]:
    """Set quotas of our project in Neutron for a while."""
    path = f"/quotas/{openstack.connect(cloud=CLOUD).current_project_id}"
    admin.network.put(
        path, json={"quota": {**limits, "force": True}}
    ).raise_for_status()
    try:
        yield
    finally:
        admin.network.delete(path)


@pytest.mark.parametrize("resource", ["network", "subnet", "router"])
def test_a_quota_of_neutron_is_told_and_what_was_made_is_undone(
    ground: None,
    project: Project,
    cloud: OpenStackCloud,
    admin: Connection,
    resource: str,
) -> None:
    with quota(admin, **{resource: 0}):
        network = networks.create(
            project=project, actor=ALICE, name="web", cidr="10.1.0.0/24", internet=True
        )
        error = failed(network, "resource-limit-exceeded")
    assert "Quota exceeded" in error["detail"]
    observe(full=True)
    audit(cloud)
    assert not [seen for seen in cloud.networks.list_all() if seen.marker]


def test_a_subnet_without_a_free_address_is_told(
    ground: None, project: Project, cloud: OpenStackCloud
) -> None:
    network = make_network(project, "web", "10.1.0.0/24", internet=False)
    old = network.subnet_rows.get()
    done(subnets.delete(old, actor=ALICE))
    done(
        subnets.create(
            project=project,
            actor=ALICE,
            network="web",
            name="narrow",
            cidr="10.1.1.0/29",
            dhcp=False,
            allocation_pools=[{"start": "10.1.1.3", "end": "10.1.1.3"}],
        )
    )
    first = make_vm(project, Wish("web"))
    error = failed(ask_for_vm(project, Wish("web")), "address-pool-exhausted")
    assert "No more IP addresses" in error["detail"]
    observe(full=True)
    audit(cloud)
    first.refresh_from_db()
    assert [address["ip"] for address in first.addresses] == ["10.1.1.3"]


@pytest.fixture
def narrow(admin: Connection, cloud: OpenStackCloud) -> Iterator[str]:
    """An external network with a single free address; return its name."""
    made = admin.network.post(
        "/networks", json={"network": {"name": "narrow", "router:external": True}}
    )
    network = made.json()["network"]
    subnet = {
        "network_id": network["id"],
        "ip_version": 4,
        "cidr": "198.51.100.0/29",
        "enable_dhcp": False,
        "allocation_pools": [{"start": "198.51.100.3", "end": "198.51.100.3"}],
    }
    admin.network.post("/subnets", json={"subnet": subnet}).raise_for_status()
    yield network["name"]
    empty_networks(cloud)
    admin.network.delete(f"/networks/{network['id']}").raise_for_status()


def test_an_external_network_without_a_free_address_is_told(
    narrow: str, ground: None, project: Project, cloud: OpenStackCloud
) -> None:
    first = done(floating_ips.create(project=project, actor=ALICE, network=narrow))
    second = floating_ips.create(project=project, actor=ALICE, network=narrow)
    error = failed(second, "address-pool-exhausted")
    assert "No more IP addresses" in error["detail"]
    network = networks.create(project=project, actor=ALICE, name="web")
    done(network)
    router = routers.create(
        project=project, actor=ALICE, name="web", external_network=narrow
    )
    failed(router, "address-pool-exhausted")
    observe(full=True)
    audit(cloud)
    first.refresh_from_db()
    assert first.address == "198.51.100.3"
