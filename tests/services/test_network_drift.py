"""What is changed outside is followed, and told; what is left over is removed."""

from typing import Any

import pytest

from compute.models import (
    CloudService,
    Event,
    Network,
    Port,
    Project,
    Router,
    SecurityGroup,
    Subnet,
)
from compute.services import vms
from providers.contract.networks import MARKER_PREFIX
from providers.contract.security_groups import RuleSpec
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.support import invariants as ledger
from tests.support.networking import (
    HTTPS,
    make_floating_ip,
    make_group,
    make_network,
    make_vm,
)


@pytest.fixture
def web(catalogue: None, project: Project) -> Network:
    return make_network(project)


def told(type: str) -> list[Any]:
    return [
        event.changes | event.details
        for event in Event.objects.filter(type=type, actor="system")
    ]


def test_what_the_cloud_offers_is_shown_to_all(catalogue: None) -> None:
    private = Network.objects.get(name="private")
    public = Network.objects.get(name="public")
    assert (private.is_offered, private.default, private.external) == (
        True,
        True,
        False,
    )
    assert (public.is_offered, public.external) == (True, True)
    assert private.subnets == [
        {"id": str(Subnet.objects.get(network=private).pk), "cidr": "10.10.0.0/18"}
    ]
    group = SecurityGroup.objects.get(name="default")
    assert group.is_offered
    assert len(group.rules) == 4


def test_a_floating_ip_that_was_moved_outside_is_followed(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    first, second = make_vm(project, "web"), make_vm(project, "web", name="web-2")
    floating_ip = make_floating_ip(project, first)
    port = Port.objects.get(vm=second)
    cloud.floating_ips.attach(
        floating_ip.provider_id,
        port_id=port.provider_id,
        fixed_ip=port.fixed_ips[0]["ip"],
        request_id="req-outside",
    )
    observe(full=True)
    floating_ip.refresh_from_db()
    assert floating_ip.vm == second
    first.refresh_from_db()
    second.refresh_from_db()
    shown = [len(vm.networks[0]["addresses"]) for vm in (first, second)]
    assert shown == [1, 2]
    assert any("vm_id" in change for change in told("floating-ip.updated"))
    ledger.check(cloud)


def test_a_rule_that_was_added_outside_is_followed(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    group = make_group(project, "web", HTTPS)
    (seen,) = [g for g in cloud.security_groups.list_all() if g.id == group.provider_id]
    gone = next(rule for rule in seen.rules if rule.protocol == "tcp")
    cloud.security_groups.delete_rule(gone.id, request_id="req-outside")
    cloud.controls.add_rule(
        RuleSpec(
            group_id=group.provider_id,
            marker="",
            direction="ingress",
            ip_version=4,
            protocol="udp",
            port_min=53,
            port_max=53,
        )
    )
    observe(full=True)
    group.refresh_from_db()
    assert {rule["protocol"] for rule in group.rules} == {None, "udp"}
    assert told("security-group-rule.created")
    assert told("security-group-rule.deleted")
    ledger.check(cloud)


def test_a_network_that_was_deleted_outside_is_shown_as_deleted(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    network = make_network(project, internet=False)
    cloud.networks.delete(network.provider_id, request_id="req-outside")
    observe(full=True)
    network.refresh_from_db()
    assert network.status == "DELETED"
    assert not Subnet.objects.alive().filter(network=network).exists()
    assert told("network.deleted") == [{"status": ["ACTIVE", "DELETED"]}]
    ledger.check(cloud)


def test_a_gateway_that_was_taken_away_outside_is_followed(
    web: Network, cloud: MockCloud
) -> None:
    router = Router.objects.get(name="web")
    cloud.routers.set_gateway(router.provider_id, None, request_id="req-outside")
    cloud.routers.detach_subnet(
        router.provider_id,
        Subnet.objects.get(network=web).provider_id,
        request_id="req-outside",
    )
    observe(full=True)
    router.refresh_from_db()
    assert (router.external_network, router.external_ip, router.subnets) == (
        None,
        None,
        [],
    )
    ledger.check(cloud)


def test_what_nobody_has_any_more_is_removed(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    network, router = Network.objects.get(pk=web.pk), Router.objects.get(name="web")
    second = cloud.networks.create(
        "web", marker=f"{MARKER_PREFIX}{network.pk}", request_id="req-late"
    )
    late = cloud.routers.create(
        "web",
        marker=f"{MARKER_PREFIX}{router.pk}",
        external_network_id=None,
        request_id="req-late",
    )
    observe(full=True)
    assert second.created_id not in {n.id for n in cloud.networks.list_all()}
    assert late.created_id not in {r.id for r in cloud.routers.list_all()}
    kinds = {data["kind"] for data in told("network.leftover_removed")}
    assert kinds == {"network"}
    ledger.check(cloud)


def test_neutron_away_stops_no_pass_of_nova(
    web: Network, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project, "web")
    cloud.controls.inject("networks.list_all", kind="refuse", times=0)
    vms.act(vm, "stop", actor=ALICE)
    drain()
    observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
    services = dict(CloudService.objects.values_list("service", "failures"))
    assert services["compute"] == 0
    assert services["network"] > 0
