"""Floating IPs: they lead to one VM, to another, or nowhere."""

from typing import Any

import pytest

from compute.errors import OperationInProgress, ResourceInUse
from compute.models import VM, FloatingIP, Project
from compute.services import floating_ips, vms
from compute.services.ports import Wish
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
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
def vm(catalogue: None, project: Project) -> VM:
    """A VM on a network with a way to the internet."""
    make_network(project)
    return make_vm(project, "web")


def test_it_leads_to_one_vm_and_then_to_another(
    vm: VM, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    floating_ip = make_floating_ip(project, vm)
    other = make_vm(project, "web", name="web-2")
    with pytest.raises(ResourceInUse) as caught:
        floating_ips.attach(floating_ip, vm="web-2", actor=ALICE)
    assert caught.value.members["in_use_by"][0]["id"] == str(vm.pk)
    floating_ips.attach(floating_ip, vm="web-2", force=True, actor=ALICE)
    drain()
    floating_ip.refresh_from_db()
    assert floating_ip.vm == other
    vm.refresh_from_db()
    other.refresh_from_db()
    types = [
        [address["type"] for address in row.networks[0]["addresses"]]
        for row in (vm, other)
    ]
    assert types == [["fixed"], ["fixed", "floating"]]
    ledger.check(cloud)
    floating_ips.detach(floating_ip, actor=ALICE)
    drain()
    floating_ip.refresh_from_db()
    assert {floating_ip.vm, floating_ip.port, floating_ip.fixed_ip} == {None}
    ledger.check(cloud)
    floating_ips.delete(floating_ip, actor=ALICE)
    drain()
    assert not FloatingIP.objects.alive().exists()
    ledger.check(cloud)


def test_a_vm_that_goes_leaves_it_behind(
    vm: VM, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    floating_ip = make_floating_ip(project, vm)
    vms.delete(vm, actor=ALICE)
    drain()
    floating_ip.refresh_from_db()
    assert (floating_ip.status, floating_ip.vm) == ("ACTIVE", None)
    ledger.check(cloud)


def test_what_only_the_cloud_can_know_is_its_own_problem(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    make_network(project, internet=False)
    vm = make_vm(project, "web")
    make_floating_ip(project, vm)
    operation = newest()
    assert operation.status == "FAILED"
    assert operation.error
    assert operation.error["code"] == "no-external-route"
    assert FloatingIP.objects.get().status == "ERROR"
    ledger.check(cloud)


def test_one_vm_is_found_by_its_address(vm: VM, project: Project) -> None:
    def ask(**wanted: Any) -> Any:
        return wrong(
            lambda: floating_ips.create(project=project, actor=ALICE, **wanted)
        )

    assert ask(vm="nobody") == ("#/vm", "does_not_exist")
    assert ask(network="web") == ("#/network", "does_not_exist")
    assert ask(fixed_ip="10.1.0.2") == ("#/fixed_ip", "conflict")
    assert ask(vm="web-1", fixed_ip="10.9.9.9") == ("#/fixed_ip", "does_not_exist")


@pytest.mark.parametrize("call", ["floating_ips.create", "floating_ips.attach"])
@pytest.mark.parametrize("kind", ["lose_response", "drop"])
def test_an_answer_that_is_lost_is_found_again(
    vm: VM,
    project: Project,
    cloud: MockCloud,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    kind: Any,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)
    cloud.controls.inject(call, kind=kind)
    floating_ip = make_floating_ip(project, vm)
    assert (newest().status, newest().error) == ("SUCCEEDED", None)
    assert floating_ip.vm == vm
    ledger.check(cloud)


def test_a_vm_that_is_being_made_is_busy(
    catalogue: None, project: Project, drain: Drain
) -> None:
    make_network(project)
    floating_ip = make_floating_ip(project)
    vm = ask_for_vm(project, Wish("web"))
    with pytest.raises(OperationInProgress):
        floating_ips.create(project=project, actor=ALICE, vm=str(vm.pk))
    with pytest.raises(OperationInProgress):
        floating_ips.attach(floating_ip, vm=str(vm.pk), actor=ALICE)


def test_one_that_leads_there_already_may_be_attached_again(
    vm: VM, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    floating_ip = make_floating_ip(project, vm)
    floating_ips.attach(floating_ip, vm=str(vm.pk), actor=ALICE)
    drain()
    assert newest().status == "SUCCEEDED"
    floating_ip.refresh_from_db()
    assert floating_ip.vm == vm
    ledger.check(cloud)
