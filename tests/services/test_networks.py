"""Networks and routers: made whole or not at all, in use or gone."""

from typing import Any

import pytest

from compute.engine import runner
from compute.errors import ResourceInUse
from compute.models import (
    Network,
    Project,
    Router,
    SecurityGroup,
    Subnet,
)
from compute.services import (
    networks,
    routers,
    subnets,
    vms,
)
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.support import invariants as ledger
from tests.support.networking import (
    HTTPS,
    make_floating_ip,
    make_group,
    make_network,
    make_vm,
    newest,
)

#: What each call that makes something is part of.
CALLS_OF_A_NETWORK = (
    "networks.create",
    "subnets.create",
    "routers.create",
    "routers.attach_subnet",
)


@pytest.fixture
def web(catalogue: None, project: Project, drain: Drain) -> Network:
    """A network with a subnet and a way to the internet."""
    return make_network(project)


def test_three_calls_lead_from_nothing_to_a_vm_that_can_be_reached(
    web: Network, project: Project, drain: Drain, cloud: MockCloud
) -> None:
    make_group(project, "web", HTTPS)
    vm = make_vm(project, "web", security_groups=["web"])
    floating_ip = make_floating_ip(project, vm)
    vm.refresh_from_db()
    (place,) = vm.networks
    group = SecurityGroup.objects.get(name="web")
    assert place["network"] == str(web.pk)
    assert place["security_groups"] == vm.security_groups == [str(group.pk)]
    fixed, floating = place["addresses"]
    assert (fixed["ip"], fixed["type"]) == (floating_ip.fixed_ip, "fixed")
    assert floating == {"ip": floating_ip.address, "type": "floating"}
    assert [address["ip"] for address in vm.addresses] == [
        floating_ip.fixed_ip,
        floating_ip.address,
    ]
    ledger.check(cloud)


def test_a_network_is_made_with_its_subnet_and_router(
    web: Network, cloud: MockCloud
) -> None:
    subnet, router = Subnet.objects.get(network=web), Router.objects.get(name="web")
    assert web.subnets == [{"id": str(subnet.pk), "cidr": "10.1.0.0/24"}]
    assert (subnet.gateway_ip, subnet.router) == ("10.1.0.1", router)
    assert router.subnets == web.subnets
    assert router.external_network is not None
    assert router.external_ip is not None
    assert {web.status, subnet.status, router.status} == {"ACTIVE"}
    ledger.check(cloud)


@pytest.mark.parametrize("call", CALLS_OF_A_NETWORK)
def test_a_step_that_is_refused_undoes_those_before_it(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain, call: str
) -> None:
    cloud.controls.inject(call, kind="fail", status=400, message="not today")
    network = make_network(project)
    operation = newest()
    assert operation.status == "FAILED"
    assert operation.error
    assert operation.error["detail"] == "not today"
    assert network.status == "ERROR"
    assert not Subnet.objects.alive().filter(network=network).exists()
    assert not Router.objects.alive().filter(project=project).exists()
    ledger.check(cloud)
    networks.delete(network, actor=ALICE)
    drain()
    network.refresh_from_db()
    assert network.status == "DELETED"
    ledger.check(cloud)


@pytest.mark.parametrize("call", CALLS_OF_A_NETWORK)
@pytest.mark.parametrize("kind", ["lose_response", "drop"])
def test_an_answer_that_is_lost_is_found_again(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    kind: Any,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject(call, kind=kind)
    network = make_network(project)
    assert (newest().status, newest().error) == ("SUCCEEDED", None)
    assert network.status == "ACTIVE"
    ledger.check(cloud)


def test_a_create_that_is_cancelled_leaves_nothing(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("routers.create", kind="fail", status=503)
    networks.create(
        project=project, actor=ALICE, name="web", cidr="10.1.0.0/24", internet=True
    )
    runner.run(newest().pk)
    runner.cancel(newest(), actor=ALICE)
    drain()
    assert newest().status == "CANCELLED"
    assert set(Network.objects.filter(name="web").values_list("status", flat=True)) == {
        "DELETED"
    }
    ledger.check(cloud)


def test_what_is_in_use_says_who_uses_it(
    web: Network, project: Project, drain: Drain, cloud: MockCloud
) -> None:
    vm = make_vm(project, "web")
    with pytest.raises(ResourceInUse) as caught:
        networks.delete(web, actor=ALICE)
    user = {"kind": "vm", "id": str(vm.pk), "name": "web-1"}
    assert caught.value.members["in_use_by"] == [user]
    subnet = Subnet.objects.get(network=web)
    with pytest.raises(ResourceInUse) as caught:
        subnets.delete(subnet, actor=ALICE)
    assert caught.value.members["in_use_by"][0]["kind"] == "router"
    router = Router.objects.get(name="web")
    with pytest.raises(ResourceInUse):
        routers.delete(router, actor=ALICE)
    vms.delete(vm, actor=ALICE)
    drain()
    routers.detach_subnet(router, subnet=str(subnet.pk), actor=ALICE)
    drain()
    routers.delete(router, actor=ALICE)
    drain()
    networks.delete(web, actor=ALICE)
    drain()
    assert not Network.objects.alive().filter(project=project).exists()
    assert not Subnet.objects.alive().filter(project=project).exists()
    ledger.check(cloud)


def test_a_router_goes_where_it_is_told(
    web: Network, drain: Drain, cloud: MockCloud
) -> None:
    router = Router.objects.get(name="web")
    routers.set_gateway(router, network=None, actor=ALICE)
    drain()
    router.refresh_from_db()
    assert (router.external_network, router.external_ip) == (None, None)
    routers.set_gateway(router, network="public", actor=ALICE)
    drain()
    router.refresh_from_db()
    assert router.external_ip is not None
    subnet = Subnet.objects.get(network=web)
    routers.detach_subnet(router, subnet=str(subnet.pk), actor=ALICE)
    drain()
    routers.attach_subnet(router, subnet=str(subnet.pk), actor=ALICE)
    drain()
    router.refresh_from_db()
    assert router.subnets == [{"id": str(subnet.pk), "cidr": "10.1.0.0/24"}]
    ledger.check(cloud)


def test_a_subnet_is_configured(web: Network, drain: Drain, cloud: MockCloud) -> None:
    subnet = Subnet.objects.get(network=web)
    with pytest.raises(ResourceInUse):
        subnets.configure(subnet, gateway_ip="10.1.0.9", actor=ALICE)
    subnets.configure(subnet, dns_nameservers=["192.0.2.53"], actor=ALICE)
    drain()
    subnet.refresh_from_db()
    assert subnet.dns_nameservers == ["192.0.2.53"]
    (seen,) = [s for s in cloud.subnets.list_all() if s.id == subnet.provider_id]
    assert seen.dns_nameservers == ("192.0.2.53",)


def test_no_two_subnets_of_a_network_overlap(
    web: Network, project: Project, drain: Drain
) -> None:
    made = subnets.create(
        project=project, actor=ALICE, network="web", cidr="10.1.1.0/24", name="more"
    )
    drain()
    made.refresh_from_db()
    web.refresh_from_db()
    assert made.status == "ACTIVE"
    assert len(web.subnets) == 2


def test_a_quiet_pass_writes_nothing(web: Network, cloud: MockCloud) -> None:
    observe(full=True)
    before = {row.pk: row.version for row in Network.objects.all()}
    observe(full=True)
    assert {row.pk: row.version for row in Network.objects.all()} == before
    ledger.check(cloud)


def test_a_router_that_was_found_again_gets_its_gateway_at_last(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject("routers.create", kind="half")
    cloud.controls.inject("routers.set_gateway", kind="fail", status=503)
    router = routers.create(
        project=project, actor=ALICE, name="edge", external_network="public"
    )
    drain()
    router.refresh_from_db()
    assert (newest().status, newest().error) == ("SUCCEEDED", None)
    assert router.external_network is not None
    assert router.external_ip
    ledger.check(cloud)
