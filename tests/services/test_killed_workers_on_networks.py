"""A worker is killed at every call that makes or changes a network; another finishes.

Nothing is done twice and nothing is left over.
"""

from typing import Any

import pytest

from compute.models import FloatingIP, Network, Port, Project, SecurityGroup
from compute.services import (
    floating_ips,
    networks,
    routers,
    security_groups,
    subnets,
    vms,
)
from compute.services.ports import Wish
from providers.mock import MockCloud
from tests.conftest import ALICE
from tests.services.conftest import Kind, Worker, at_every_call, kill_and_replace
from tests.support.networking import (
    HTTPS,
    PING,
    ask_for_vm,
    make_floating_ip,
    make_group,
    make_network,
    make_vm,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


@at_every_call
@pytest.mark.parametrize(
    "op",
    [
        *("networks.create", "subnets.create", "routers.create"),
        *("routers.attach_subnet", "networks.find", "subnets.find", "routers.get"),
    ],
)
def test_create_of_a_network_with_a_way_to_the_internet(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    network = networks.create(
        project=project, actor=ALICE, name="web", cidr="10.1.0.0/24", internet=True
    )
    kill_and_replace(cloud, worker, op, kind)
    network.refresh_from_db()
    assert (network.status, len(network.subnets)) == ("ACTIVE", 1)


@pytest.fixture
def web(catalogue: None, project: Project) -> Network:
    return make_network(project)


@pytest.fixture
def back(web: Network, project: Project) -> Network:
    return make_network(project, "back", "10.2.0.0/24", internet=False)


@at_every_call
@pytest.mark.parametrize("op", ["ports.create", "ports.get", "servers.create"])
def test_create_of_a_vm_on_two_networks(
    back: Network,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = ask_for_vm(project, Wish("web"), Wish("back"))
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert (vm.status, len(vm.networks)) == ("ACTIVE", 2)


@at_every_call
@pytest.mark.parametrize(
    "op", ["ports.create", "servers.attach_port", "servers.get_action", "ports.get"]
)
def test_attach(
    back: Network,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = make_vm(project, "web")
    vms.attach_network(vm, network="back", actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert len(vm.networks) == 2


@at_every_call
@pytest.mark.parametrize("op", ["ports.get", "servers.detach_port", "ports.delete"])
def test_detach(
    web: Network,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = make_vm(project, "web")
    vms.detach_network(vm, network="web", actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert (vm.networks, Port.objects.alive().count()) == ([], 0)


@at_every_call
@pytest.mark.parametrize(
    "op", ["floating_ips.create", "floating_ips.attach", "floating_ips.get"]
)
def test_create_of_a_floating_ip(
    web: Network,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = make_vm(project, "web")
    floating_ips.create(project=project, actor=ALICE, vm=str(vm.pk))
    kill_and_replace(cloud, worker, op, kind)
    assert FloatingIP.objects.get().vm == vm


@at_every_call
def test_detach_of_a_floating_ip(
    web: Network, project: Project, cloud: MockCloud, worker: Worker, kind: Kind
) -> None:
    floating_ip = make_floating_ip(project, make_vm(project, "web"))
    floating_ips.detach(floating_ip, actor=ALICE)
    kill_and_replace(cloud, worker, "floating_ips.detach", kind)
    assert FloatingIP.objects.get().vm is None


@at_every_call
@pytest.mark.parametrize(
    "op", ["security_groups.create", "security_groups.create_rule"]
)
def test_create_of_a_security_group(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    security_groups.create(
        project=project, actor=ALICE, name="web", rules_given=[HTTPS, PING]
    )
    kill_and_replace(cloud, worker, op, kind)
    assert len(SecurityGroup.objects.get(name="web").rules) == 4


@at_every_call
@pytest.mark.parametrize(
    "op", ["security_groups.create_rule", "security_groups.delete_rule"]
)
def test_a_declared_set_of_rules(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    group = make_group(project, "web", HTTPS)
    security_groups.set_rules(group, [PING], actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    group.refresh_from_db()
    assert [rule["protocol"] for rule in group.rules] == ["icmp"]


@at_every_call
@pytest.mark.parametrize("op", ["servers.delete", "ports.delete"])
def test_delete_of_a_vm_with_its_port(
    web: Network,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = make_vm(project, "web")
    make_floating_ip(project, vm)
    vms.delete(vm, actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert (vm.status, Port.objects.alive().count()) == ("DELETED", 0)


@at_every_call
@pytest.mark.parametrize(
    "noun", ["router", "subnet", "network", "floating-ip", "security-group"]
)
def test_delete_of_each(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    noun: str,
    kind: Kind,
) -> None:
    row: Any
    match noun:
        case "router":
            row = routers.create(project=project, actor=ALICE, name="r")
            assert worker() == 0
            routers.delete(row, actor=ALICE)
        case "subnet":
            row = make_network(project, internet=False).subnet_rows.get()
            subnets.delete(row, actor=ALICE)
        case "network":
            row = make_network(project, internet=False)
            networks.delete(row, actor=ALICE)
        case "floating-ip":
            row = make_floating_ip(project)
            floating_ips.delete(row, actor=ALICE)
        case _:
            row = make_group(project, "web", HTTPS)
            security_groups.delete(row, actor=ALICE)
    kill_and_replace(cloud, worker, f"{noun.replace('-', '_')}s.delete", kind)
    row.refresh_from_db()
    assert row.status == "DELETED"
