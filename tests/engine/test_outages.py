"""A service that is away: its operations wait for it, those of the others go on."""

from collections.abc import Callable
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.models import VM, CloudService, Operation, Project
from compute.services import networks, vms
from compute.services.ports import Wish
from providers.mock import MockCloud
from providers.mock.world.faults import Kind
from tests.conftest import ALICE, Drain, observe
from tests.support import invariants as ledger
from tests.support.networking import ask_for_vm, make_network

CREATES = ("networks.create", "ports.create")
LISTINGS = ("networks.list_all", "ports.list_all")


def take_away(cloud: MockCloud, *calls: str, kind: Kind = "refuse") -> None:
    for call in calls:
        cloud.controls.inject(call, kind=kind, times=0)


def run_all(times: int = 20) -> None:
    """Have workers and passes go round, more often than a failure is repeated."""
    for _ in range(times):
        Operation.objects.live().update(lease_until=timezone.now())
        for operation in Operation.objects.claimable(timezone.now()):
            runner.run(operation.pk)
        observe(full=True)


@pytest.mark.parametrize("kind", ["refuse", "drop"])
def test_operations_wait_for_a_service_that_is_away(
    make_vm: Callable[..., VM],
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    monkeypatch: pytest.MonkeyPatch,
    kind: Kind,
) -> None:
    monkeypatch.setattr(cloud, "call_timeout", 0.0)  # what is lost arrives at once
    make_network(project)
    stopped = make_vm()
    take_away(cloud, *CREATES, *LISTINGS, kind=kind)
    back = networks.create(project=project, actor=ALICE, name="back")
    built = ask_for_vm(project, Wish("web"))
    vms.act(stopped, "stop", actor=ALICE)
    run_all()
    stopped.refresh_from_db()
    assert stopped.status == "SHUTOFF"
    waiting = Operation.objects.live().values_list("target_id", flat=True)
    assert set(waiting) == {back.pk, built.pk}
    cloud.controls.clear_faults()
    drain()
    observe(full=True)
    for row in (back, built):
        row.refresh_from_db()
        assert row.status == "ACTIVE"
    ledger.check(cloud)


def test_one_call_that_is_always_refused_is_given_up(
    project: Project, cloud: MockCloud
) -> None:
    observe(full=True)
    take_away(cloud, "networks.create")
    network = networks.create(project=project, actor=ALICE, name="web")
    run_all()
    network.refresh_from_db()
    assert network.status == "ERROR"


def test_an_operation_is_next_tried_after_the_next_pass(
    project: Project, cloud: MockCloud
) -> None:
    take_away(cloud, *CREATES, *LISTINGS)
    for _ in range(5):
        observe(full=True)
    networks.create(project=project, actor=ALICE, name="web")
    operation = Operation.objects.live().get()
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert operation.step == "waiting for neutron"
    next_pass = CloudService.objects.get(service="network").next_pass_at
    assert next_pass is not None
    assert next_pass > timezone.now() + timedelta(seconds=2)  # after five failures
    assert operation.lease_until is not None
    assert operation.lease_until > next_pass
    # It is back, and one call fails all the same: that is no waiting for it.
    cloud.controls.clear_faults()
    observe(full=True)
    take_away(cloud, "networks.create")
    Operation.objects.update(lease_until=timezone.now())
    runner.run(operation.pk)
    operation.refresh_from_db()
    assert (operation.step, operation.failures) == ("", 1)


def test_a_deadline_within_an_outage_tells_of_the_outage(
    project: Project, cloud: MockCloud, clock: time_machine.Traveller
) -> None:
    take_away(cloud, *CREATES, *LISTINGS)
    network = networks.create(project=project, actor=ALICE, name="web")
    run_all()
    # So late that the next pass, and with it the next try, would come after its end.
    clock.move_to(Operation.objects.get().deadline - timedelta(seconds=10))
    observe(full=True)
    run_all(times=1)
    network.refresh_from_db()
    assert network.status == "ERROR"
    operation = Operation.objects.get()
    assert operation.error is not None
    assert operation.error["code"] == "openstack-unavailable"
    assert "connection refused" in operation.error["detail"]
