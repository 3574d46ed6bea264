"""What a cloud has and nobody here is adopted, once, and found by what uses it."""

from typing import Any

import pytest

from compute.models import VM, FloatingIP, Network, Project, SecurityGroup
from compute.services.network_imports import import_networks
from compute.services.network_pass.places import MOST_NEW
from compute.services.vms.imports import import_servers
from providers.contract.ports import PortSpec
from providers.contract.subnets import DEFAULT_GATEWAY, SubnetSpec
from providers.mock import MockCloud, SeedServer
from tests.conftest import observe
from tests.support import invariants as ledger
from tests.support.networking import make_network

CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"


@pytest.fixture
def web(catalogue: None, project: Project) -> Network:
    return make_network(project)


def test_an_import_adopts_what_nobody_has(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    def adopted(*, dry_run: bool = False) -> set[str]:
        found = import_networks("default", project, dry_run=dry_run)
        return {f"{row.kind} {row.name}" for row in found if not row.skipped}

    id = cloud.networks.create("legacy", marker="", request_id="req-x").created_id
    assert id is not None
    cloud.security_groups.create("legacy", marker="", request_id="req-x")
    expected = {"network legacy", "security-group legacy"}
    assert expected <= adopted(dry_run=True)
    assert not Network.objects.filter(name="legacy").exists()
    assert expected <= adopted()
    assert not adopted()
    network = Network.objects.get(name="legacy")
    assert (network.project, network.status) == (project, "ACTIVE")
    group = SecurityGroup.objects.get(name="legacy")
    assert len(group.rules) == 2
    assert not FloatingIP.objects.exists()
    ledger.check(cloud)


def test_what_is_made_while_an_import_runs_stays(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    importing = import_networks("default", project)
    next(importing)
    made = make_network(project, "back", "10.2.0.0/24", internet=False)
    assert made.status == "ACTIVE"
    list(importing)
    made.refresh_from_db()
    assert made.status == "ACTIVE"
    ledger.check(cloud)


def make_legacy(cloud: MockCloud) -> None:
    """Make a server on a network, both without us."""
    network = cloud.networks.create("legacy", marker="", request_id="req-x").created_id
    assert network is not None
    subnet = SubnetSpec(
        network_id=network,
        name="legacy",
        marker="",
        cidr="10.9.0.0/24",
        gateway_ip=DEFAULT_GATEWAY,
    )
    cloud.subnets.create(subnet, request_id="req-x")
    wanted = PortSpec(network_id=network, name="", marker="", ip="10.9.0.7")
    port = cloud.ports.create(wanted, request_id="req-x").created_id
    assert port is not None
    (server,) = cloud.controls.seed([SeedServer("old-web", "2", CIRROS)])
    cloud.servers.attach_port(server, port, request_id="req-x")


@pytest.mark.parametrize("servers_first", [True, False])
def test_imported_vms_are_on_imported_networks(
    catalogue: None, project: Project, cloud: MockCloud, *, servers_first: bool
) -> None:
    make_legacy(cloud)
    steps: list[Any] = [import_servers, import_networks]
    for adopt in steps if servers_first else reversed(steps):
        assert "" in {found.skipped for found in adopt("default", project)}
    observe(full=True)
    vm, network = VM.objects.get(name="old-web"), Network.objects.get(name="legacy")
    places = {place["network"]: place["addresses"] for place in vm.networks}
    assert places[str(network.pk)] == [{"ip": "10.9.0.7", "type": "fixed"}]
    assert ("legacy", "10.9.0.7") in {(a["network"], a["ip"]) for a in vm.addresses}


def test_a_pass_enters_the_ports_of_so_many_vms_and_the_next_one_the_rest(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    seeds = [SeedServer(f"old-{n}", "2", CIRROS) for n in range(MOST_NEW + 3)]
    cloud.controls.seed(seeds)
    list(import_servers("default", project))
    observe(full=True)
    assert VM.objects.filter(networks=[]).count() == 3
    observe(full=True)
    assert not VM.objects.filter(networks=[]).exists()
