"""A part of a real cloud dies and comes back: all that was under way comes to an end."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from compute.engine import runner
from compute.models import VM, Event, Operation, Project
from compute.services import vms
from compute.services.vms import observed
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    Bench,
    MakeVM,
    audit,
    ended,
    wait_until,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

#: Longer than it takes Nova to count a host as down.
DEAD_SECONDS = 20.0
#: What Nova has not done so long after its message bus came back it never does: its
#: services look for the bus every 30 s at least, and wait 30 s for one another's answers.
LOST_SECONDS = 75.0


def run_all() -> None:
    for operation in Operation.objects.live():
        runner.run(operation.pk)


def test_nova_compute_is_dead_for_a_while(
    bench: Bench, make_vm: MakeVM, project: Project, cloud: OpenStackCloud
) -> None:
    stopped, deleted = make_vm("stopped"), make_vm("deleted")
    bench("kill", "nova-compute")
    try:
        vms.act(VM.objects.get(pk=stopped.pk), "stop", actor=ALICE)
        vms.delete(VM.objects.get(pk=deleted.pk), actor=ALICE)
        built = vms.create(
            project=project, actor=ALICE, name="built", flavor="m1.tiny", image="cirros"
        )
        give_up = time.monotonic() + DEAD_SECONDS
        run_all()
        while time.monotonic() < give_up:
            observe()
            time.sleep(1)
        # Nova has accepted all of it, and says nothing of the stop.
        assert Operation.objects.live().about("vm", stopped.pk).exists()
    finally:
        bench("start", "nova-compute")
    work()
    ended(stopped, "SHUTOFF")
    ended(deleted, "DELETED")
    built.refresh_from_db()
    assert built.status in {"ACTIVE", "ERROR"}
    if built.status == "ERROR":
        vms.delete(built, actor=ALICE)
        work()
    observe(full=True)
    audit(cloud)


def test_the_conductor_is_away_for_a_moment(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench("kill", "nova-conductor")
    try:
        vms.act(vm, "stop", actor=ALICE)
        run_all()
        observe()
        assert Operation.objects.live().about("vm", vm.pk).exists()
    finally:
        bench("start", "nova-conductor")
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)


def test_the_message_bus_is_gone_for_a_moment(
    bench: Bench, make_vm: MakeVM, project: Project, cloud: OpenStackCloud
) -> None:
    """Nova holds on to what it is asked, and sends it as soon as the bus is back.

    Who is to read it may be back only later, and the queues are gone with the bus: then
    Nova has lost it, its record never ends, and our deadline is what ends the operation.
    """
    vm = make_vm()
    if not bench.can("stop", "rabbitmq"):
        pytest.skip("the message bus of this cloud is not the bench's own")
    try:
        vms.act(vm, "stop", actor=ALICE)
        built = vms.create(
            project=project, actor=ALICE, name="built", flavor="m1.tiny", image="cirros"
        )
        run_all()
        observe()
    finally:
        bench("up")
    lost = timezone.now() + timedelta(seconds=LOST_SECONDS)
    Operation.objects.live().update(deadline=lost)
    work()
    carried_out_or_told(vm, "SHUTOFF", cloud)
    carried_out_or_told(built, "ACTIVE", cloud)
    actions = [action.action for action in cloud.servers.list_actions(vm.server_id)]
    assert actions.count("stop") == 1
    assert {s.id for s in cloud.servers.list_all()} == {vm.server_id, built.server_id}
    assert not Event.objects.filter(type="vm.leftover_removed").exists()
    # Wherever Nova got stuck, there is a way out, and what comes next works.
    for stuck in (vm, built):
        vms.delete(stuck, actor=ALICE)
    work()
    for stuck in (vm, built):
        ended(stuck, "DELETED")
    make_vm("next")
    observe(full=True)
    audit(cloud)


def carried_out_or_told(vm: VM, status: str, cloud: OpenStackCloud) -> None:
    """Assert that an operation succeeded, or says that the cloud did not do it.

    Either way the VM is where its server is.
    """
    vm.refresh_from_db()
    assert vm.operation is not None
    code = (vm.operation.error or {}).get("code")
    if code is None:
        assert vm.status == status
    else:
        assert code in {"openstack-timeout", "openstack-error"}

    def agree() -> bool:
        observe(full=True)
        vm.refresh_from_db()
        resting = observed.resting_status(cloud.servers.get(vm.server_id))
        return resting in {None, vm.status}

    wait_until(agree)
