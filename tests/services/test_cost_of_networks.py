"""What networks cost a cloud: the calls of each operation, and of a pass."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.models import Network, Project, Router
from compute.services import (
    floating_ips,
    networks,
    routers,
    security_groups,
)
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.test_cost import spent
from tests.support.networking import (
    HTTPS,
    PING,
    make_floating_ip,
    make_group,
    make_network,
    make_vm,
)


@pytest.fixture
def web(catalogue: None, project: Project) -> Network:
    return make_network(project)


def test_a_network_with_a_way_to_the_internet(
    web: Network, cloud: MockCloud, project: Project
) -> None:
    cloud.controls.reset_counts()
    make_network(project, "other", "10.7.0.0/24")
    assert spent(cloud) == {
        "networks.create": 1,
        "subnets.create": 1,
        "routers.create": 1,
        "routers.attach_subnet": 1,
        # What the cloud has chosen: mtu, allocation pools, the router's address.
        "networks.find": 1,
        "subnets.find": 1,
        "routers.get": 1,
    }


def test_a_vm_on_two_networks(web: Network, cloud: MockCloud, project: Project) -> None:
    make_network(project, "back", "10.2.0.0/24", internet=False)
    cloud.controls.reset_counts()
    make_vm(project, "web", "back")
    assert spent(cloud) == {"ports.create": 2, "ports.get": 2, "servers.create": 1}


def test_floating_ips(
    web: Network, cloud: MockCloud, project: Project, drain: Drain
) -> None:
    vm = make_vm(project, "web")
    cloud.controls.reset_counts()
    floating_ip = make_floating_ip(project, vm)
    create = {"floating_ips.create": 1, "floating_ips.attach": 1, "floating_ips.get": 1}
    assert spent(cloud) == create
    cloud.controls.reset_counts()
    floating_ips.detach(floating_ip, actor=ALICE)
    drain()
    assert spent(cloud) == {"floating_ips.detach": 1, "floating_ips.get": 1}
    cloud.controls.reset_counts()
    floating_ips.delete(floating_ip, actor=ALICE)
    drain()
    assert spent(cloud) == {"floating_ips.delete": 1}


def test_groups(
    catalogue: None, cloud: MockCloud, project: Project, drain: Drain
) -> None:
    cloud.controls.reset_counts()
    group = make_group(project, "web", HTTPS, PING)
    assert spent(cloud) == {
        "security_groups.create": 1,
        "security_groups.create_rule": 2,
        "security_groups.get": 2,
    }
    cloud.controls.reset_counts()
    security_groups.delete(group, actor=ALICE)
    drain()
    assert spent(cloud) == {"security_groups.delete": 1}


def test_deletes(
    web: Network, cloud: MockCloud, project: Project, drain: Drain
) -> None:
    router = Router.objects.get(name="web")
    routers.detach_subnet(router, subnet="web", actor=ALICE)
    drain()
    cloud.controls.reset_counts()
    routers.delete(router, actor=ALICE)
    drain()
    networks.delete(web, actor=ALICE)
    drain()
    assert spent(cloud) == {"routers.delete": 1, "networks.delete": 1}


@pytest.mark.parametrize("count", [1, 12])
def test_vms_with_networks_in_flight_share_their_listings(
    web: Network, cloud: MockCloud, project: Project, drain: Drain, count: int
) -> None:
    for number in range(count):
        make_vm(project, "web", name=f"web-{number}")
    observe(full=True)
    cloud.controls.reset_counts()
    with CaptureQueriesContext(connection) as queries:
        observe(full=True)
    counts: dict[str, Any] = cloud.controls.call_counts()
    assert {op: n for op, n in counts.items() if op.endswith(".list_all")} == {
        "servers.list_all": 1,
        "networks.list_all": 1,
        "subnets.list_all": 1,
        "routers.list_all": 1,
        "ports.list_all": 1,
        "floating_ips.list_all": 1,
        "security_groups.list_all": 1,
    }
    # As many for one as for twelve.
    assert len(queries) < 75
    assert all(vm.networks for vm in project.vms.all())
