"""A VM on networks: at its create, attached, detached; and what goes wrong there."""

from typing import Any

import pytest

from compute.errors import AddressTaken
from compute.models import VM, FloatingIP, Network, Port, Project
from compute.services import networks, vms
from compute.services.ports import Wish
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import wrong
from tests.support import invariants as ledger
from tests.support.networking import (
    ask_for_vm,
    make_floating_ip,
    make_network,
    make_vm,
    newest,
)


@pytest.fixture
def web(catalogue: None, project: Project) -> Network:
    return make_network(project)


@pytest.fixture
def back(web: Network, project: Project) -> Network:
    return make_network(project, "back", "10.2.0.0/24", internet=False)


def test_two_networks_and_an_address_of_choice(
    back: Network, project: Project, cloud: MockCloud
) -> None:
    vm = make_vm(project, "web", Wish("back", "10.2.0.77"))
    names = [place["network"] for place in vm.networks]
    assert names == [str(Network.objects.get(name="web").pk), str(back.pk)]
    assert vm.networks[1]["addresses"] == [{"ip": "10.2.0.77", "type": "fixed"}]
    ledger.check(cloud)


def test_attach_and_detach(
    back: Network, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project, "web")
    vms.attach_network(vm, network="back", ip="10.2.0.9", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert [a["ip"] for a in vm.networks[1]["addresses"]] == ["10.2.0.9"]
    assert vm.status == "ACTIVE"
    ledger.check(cloud)
    vms.detach_network(vm, network="back", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert len(vm.networks) == 1
    assert Port.objects.alive().count() == 1
    ledger.check(cloud)


def test_a_floating_ip_leads_nowhere_after_a_detach(
    web: Network, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project, "web")
    floating_ip = make_floating_ip(project, vm)
    vms.detach_network(vm, network="web", actor=ALICE)
    drain()
    floating_ip.refresh_from_db()
    assert (floating_ip.status, floating_ip.vm) == ("ACTIVE", None)
    ledger.check(cloud)


@pytest.mark.parametrize(
    ("wish", "why"),
    {
        "unknown": (Wish("nowhere"), ("#/networks/0", "does_not_exist")),
        "external": (Wish("public"), ("#/networks/0", "external")),
        "outside": (Wish("web", "10.9.0.1"), ("#/networks/0/ip", "outside")),
        "broadcast": (Wish("web", "10.1.0.255"), ("#/networks/0/ip", "reserved")),
        "gateway": (Wish("web", "10.1.0.1"), ("#/networks/0/ip", "gateway")),
        "no address": (Wish("web", "ten"), ("#/networks/0/ip", "invalid")),
        "no subnet": (Wish("bare"), ("#/networks/0", "no_subnet")),
    }.values(),
)
def test_a_network_is_checked_before_the_cloud_is_asked(
    web: Network, project: Project, drain: Drain, wish: Wish, why: tuple[str, str]
) -> None:
    networks.create(project=project, actor=ALICE, name="bare")
    drain()
    assert wrong(lambda: ask_for_vm(project, wish)) == why
    assert not VM.objects.exists()


def test_one_default_route(web: Network, project: Project) -> None:
    make_network(project, "other", "10.3.0.0/24")
    why = wrong(lambda: ask_for_vm(project, Wish("web"), Wish("other")))
    assert why == ("#/networks/1", "second_route")


def test_an_address_has_one_owner(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    make_vm(project, Wish("web", "10.1.0.50"))
    with pytest.raises(AddressTaken):
        ask_for_vm(project, Wish("web", "10.1.0.50"))
    ledger.check(cloud)


def test_a_create_that_is_refused_leaves_no_port(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.create", kind="quota")
    vm = make_vm(project, "web")
    assert (vm.status, vm.networks) == ("ERROR", [])
    assert not Port.objects.alive().exists()
    assert not [port for port in cloud.ports.list_all() if port.marker]
    ledger.check(cloud)


def test_a_network_without_an_address_left(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    cloud.controls.exhaust_addresses(web.provider_id)
    vm = make_vm(project, "web")
    assert vm.status == "ERROR"
    error = newest().error
    assert error
    assert error["code"] == "address-pool-exhausted"
    ledger.check(cloud)


@pytest.mark.parametrize("kind", ["lose_response", "drop"])
@pytest.mark.parametrize("call", ["ports.create", "servers.create"])
def test_a_lost_answer_of_a_create_is_found_again(
    web: Network,
    project: Project,
    cloud: MockCloud,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    kind: Any,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject(call, kind=kind)
    vm = make_vm(project, "web")
    assert (vm.status, newest().status) == ("ACTIVE", "SUCCEEDED")
    ledger.check(cloud)


@pytest.mark.parametrize("kind", ["lose_response", "drop"])
@pytest.mark.parametrize("call", ["ports.create", "servers.attach_port"])
def test_a_lost_answer_of_an_attach_is_found_again(
    back: Network,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    kind: Any,
) -> None:
    vm = make_vm(project, "web")
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject(call, kind=kind)
    vms.attach_network(vm, network="back", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (len(vm.networks), newest().status) == (2, "SUCCEEDED")
    ledger.check(cloud)


def test_an_attach_that_is_refused_leaves_no_port(
    back: Network, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm(project, "web")
    cloud.controls.inject("servers.attach_port", kind="fail", status=400)
    vms.attach_network(vm, network="back", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (len(vm.networks), newest().status) == (1, "FAILED")
    assert (vm.status, Port.objects.alive().count()) == ("ACTIVE", 1)
    ledger.check(cloud)


def test_a_port_that_was_deleted_outside_is_shown_as_gone(
    web: Network, project: Project, cloud: MockCloud
) -> None:
    vm = make_vm(project, "web")
    make_floating_ip(project, vm)
    cloud.controls.delete_port(Port.objects.get(vm=vm).provider_id)
    observe(full=True)
    vm.refresh_from_db()
    assert (vm.networks, vm.addresses) == ([], [])
    assert FloatingIP.objects.get().vm is None
    ledger.check(cloud)


def test_a_network_is_left_by_its_id_however_that_is_written(
    back: Network, project: Project, drain: Drain
) -> None:
    vm = make_vm(project, "web", "back")
    vms.detach_network(vm, network=str(back.pk).upper(), actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert str(back.pk) not in {place["network"] for place in vm.networks}
