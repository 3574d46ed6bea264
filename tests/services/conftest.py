"""What the tests of the services share: time that they move, and a VM asked for."""

import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.errors import ValidationError
from compute.models import VM, Cloud, Event, Operation, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.support import invariants as ledger
from tests.support.killable_workers import LEASE_SECONDS, Nursery, nursery


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    """The time of the service and of its mock cloud; it ticks, and can be moved."""
    with time_machine.travel(datetime.now(UTC)) as traveller:
        yield traveller


def ask_for_vm(project: Project) -> VM:
    """Request the VM that a test is about; no worker has seen it yet."""
    return vms.create(
        project=project,
        actor=ALICE,
        name="web",
        flavor="m1.small",
        image="ubuntu-22.04",
    )


def history(vm: VM) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (type, actor, changes and details) of a VM's events in order."""
    found = Event.objects.about("vm", vm.pk).order_by("sequence")
    return [(event.type, event.actor, event.changes | event.details) for event in found]


def wrong(call: Callable[[], object]) -> tuple[str, str]:
    """Return pointer and code of the one field that a call refuses."""
    with pytest.raises(ValidationError) as caught:
        call()
    (error,) = caught.value.members["errors"]
    return error["pointer"], error["code"]


def live() -> Operation:
    """Return the one operation that has not ended."""
    return Operation.objects.live().get()


Play = Callable[[], None]


@pytest.fixture
def play(cloud: MockCloud, clock: time_machine.Traveller) -> Play:
    """Do what workers, beat and time do, until every operation has ended.

    Unlike `drain` it respects leases, retries and deadlines: it waits for them.
    """

    def run() -> None:
        wait = 0.5
        for _ in range(200):
            runner.sweep()
            for operation in Operation.objects.claimable(timezone.now()):
                runner.run(operation.pk)
            if not Operation.objects.live().exists():
                return
            if Cloud.objects.exists():
                observe()
            clock.shift(wait)
            wait = min(wait * 1.2, 120)
        stuck = list(Operation.objects.live().values_list("type", "step", "call"))
        raise AssertionError(f"operations do not end: {stuck}")

    return run


# Workers that are killed

KILLED = -signal.SIGKILL

#: Run a worker on a cloud until all work is done; return its exit code.
Worker = Callable[[], int]
Kind = Literal["die_before", "die_after"]

at_every_call = pytest.mark.parametrize("kind", ["die_before", "die_after"])


@pytest.fixture(scope="module")
def workers(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as workers:
        yield workers


@pytest.fixture
def worker(workers: Nursery, cloud: MockCloud, tmp_path: Path) -> Worker:
    options = {"path": str(tmp_path / "cloud.sqlite3"), "delay": "0"}
    mock = {"BACKEND": "providers.mock.MockCloud", "OPTIONS": options}

    def run() -> int:
        return workers.work(
            {
                "cloud": mock,
                "call_timeout": LEASE_SECONDS,
                "patience": 20.0,
                "pause": 0.01,
            }
        )

    return run


def kill_and_replace(cloud: MockCloud, worker: Worker, op: str, kind: Kind) -> None:
    """Kill the worker at a call, let another finish, and compare both sides."""
    cloud.controls.inject(op, kind=kind)
    assert worker() == KILLED
    assert Operation.objects.live().exists()
    assert worker() == 0
    assert cloud.controls.pending_faults() == 0
    ledger.check(cloud)
    newest = Operation.objects.latest("created_at")
    assert (newest.status, newest.error) == ("SUCCEEDED", None)
