"""A call that was refused is sent again soon; one that was lost is looked for first.

Nothing is carried out twice, and nobody waits for a request that cannot arrive any more.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from compute.engine import health, runner
from compute.models import VM, Operation, Project, Snapshot, kinds
from compute.services import snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, compute_service, move_vm, observe
from tests.services.conftest import Play, ask_for_vm, live
from tests.support import invariants as ledger
from tests.support.lifecycle import TABLE
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

MakeVM = Callable[..., VM]
Asked = Callable[..., Operation]

#: How long a real cloud may take to answer, and a request to arrive, in seconds.
CALL_TIMEOUT = 60.0
#: An operation that was refused twice, or lost on the way, has ended by then.
SOON = 10.0

#: Verb -> the first call it makes.
CALLS = {
    "restore": "servers.rebuild",
    "reboot_hard": "servers.reboot",
    "remove": "servers.delete",
    **{
        name: f"servers.{name}"
        for name in TABLE
        if name not in ("restore", "reboot_hard", "remove")
    },
    "attach_network": "servers.attach_port",
    "detach_network": "servers.detach_port",
    "set_security_groups": "ports.set_security_groups",
}
#: Verbs whose first call must not be carried out twice.
ONCE_ONLY = {
    *("resize", "reboot", "reboot_hard", "rebuild", "restore", "snapshot"),
    "attach_network",
}

TWICE: dict[str, Any] = {"kind": "fail", "status": 503, "times": 2}
#: The request never got through, and nobody can know.
LOST_BEFORE: dict[str, Any] = {"kind": "drop"}
#: It was carried out, and its answer does not get through.
LOST_AFTER: dict[str, Any] = {"kind": "lose_response", "times": 0}
#: What a proxy on the way says for a request that it lost.
PROXYS = (502, 503, 504)


@pytest.fixture(autouse=True)
def patient(cloud: MockCloud, settings: Settings) -> None:
    """The pauses of the real service, and a cloud as slow to answer as real ones."""
    settings.OPERATION_RETRY_SECONDS = 1.0
    cloud.call_timeout = CALL_TIMEOUT


@pytest.fixture
def asked(make_vm: MakeVM, drain: Drain, cloud: MockCloud) -> Asked:
    """Ask for a verb from where it can start, with faults on its first call."""

    def ask(name: str, *faults: dict[str, Any]) -> Operation:
        vm = make_vm()
        if name == "restore":
            snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
            drain()
        move_vm(vm, next(iter(TABLE[name].ends)))
        cloud.controls.reset_counts()
        for fault in faults:
            cloud.controls.inject(CALLS[name], **fault)
        VERBS[name](VM.objects.get(pk=vm.pk))
        return live()

    return ask


def seconds_of(operation: Operation) -> float:
    """Return how long an operation took, which succeeded."""
    operation.refresh_from_db()
    assert (operation.status, operation.error) == ("SUCCEEDED", None)
    assert operation.finished_at is not None
    return (operation.finished_at - operation.created_at).total_seconds()


# Refused before it began


@pytest.mark.parametrize("name", TABLE)
def test_a_verb_that_is_refused_twice_ends_soon(
    asked: Asked, cloud: MockCloud, play: Play, name: str
) -> None:
    operation = asked(name, TWICE)
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()[CALLS[name]] == 3
    ledger.check(cloud)


def test_too_many_requests_and_nobody_there_are_refusals_too(
    asked: Asked, cloud: MockCloud, play: Play
) -> None:
    operation = asked("reboot", {"kind": "fail", "status": 429}, {"kind": "refuse"})
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()["servers.reboot"] == 3


def test_a_create_that_is_refused_twice_ends_soon(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", **TWICE)
    vm = ask_for_vm(project)
    play()
    assert vm.operation is not None
    assert seconds_of(vm.operation) < SOON
    assert cloud.controls.call_counts()["servers.create"] == 3
    ledger.check(cloud)


@pytest.mark.parametrize("call", ["servers.confirm_resize", "servers.start"])
def test_the_later_calls_of_a_resize_are_repeated_soon(
    make_vm: MakeVM, cloud: MockCloud, play: Play, call: str
) -> None:
    vm = make_vm("SHUTOFF")
    cloud.controls.reset_counts()
    cloud.controls.inject(call, **TWICE)
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    operation = live()
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()[call] == 3


@pytest.mark.parametrize("fault", [TWICE, LOST_BEFORE], ids=["refused", "lost"])
def test_the_delete_of_a_snapshot_is_repeated_soon(
    make_vm: MakeVM,
    drain: Drain,
    cloud: MockCloud,
    play: Play,
    fault: dict[str, Any],
) -> None:
    snapshots.create(make_vm(), actor=ALICE, name="before")
    drain()
    cloud.controls.inject("images.delete", **fault)
    snapshots.delete(Snapshot.objects.get(), actor=ALICE)
    operation = live()
    play()
    assert seconds_of(operation) < SOON
    ledger.check(cloud)


# Lost on the way


@pytest.mark.parametrize("name", [name for name in TABLE if name not in ONCE_ONLY])
def test_a_verb_whose_end_a_status_shows_is_decided_at_once(
    asked: Asked, cloud: MockCloud, play: Play, name: str
) -> None:
    operation = asked(name, LOST_BEFORE)
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()[CALLS[name]] == 2
    ledger.check(cloud)


@pytest.mark.parametrize("name", sorted(ONCE_ONLY))
def test_what_must_not_be_done_twice_waits_for_what_might_still_arrive(
    asked: Asked, cloud: MockCloud, play: Play, name: str
) -> None:
    operation = asked(name, LOST_BEFORE)
    play()
    assert seconds_of(operation) >= CALL_TIMEOUT
    assert cloud.controls.call_counts()[CALLS[name]] == 2
    ledger.check(cloud)


def test_a_create_waits_for_what_might_still_arrive(
    catalogue: None, project: Project, cloud: MockCloud, play: Play
) -> None:
    cloud.controls.inject("servers.create", **LOST_BEFORE)
    vm = ask_for_vm(project)
    play()
    assert vm.operation is not None
    assert seconds_of(vm.operation) >= CALL_TIMEOUT
    ledger.check(cloud)


@pytest.mark.parametrize("name", TABLE)
def test_a_verb_whose_answer_is_lost_is_done_once_and_ends_soon(
    asked: Asked, cloud: MockCloud, play: Play, name: str
) -> None:
    operation = asked(name, LOST_AFTER)
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()[CALLS[name]] == 1
    ledger.check(cloud)


@pytest.mark.parametrize("status", PROXYS)
def test_a_proxys_answer_says_nothing_of_what_was_done(
    asked: Asked, cloud: MockCloud, play: Play, status: int
) -> None:
    done = asked("reboot", {**LOST_AFTER, "status": status})
    play()
    assert seconds_of(done) < SOON
    assert cloud.controls.call_counts()["servers.reboot"] == 1
    not_done = asked("reboot", {**LOST_BEFORE, "status": status})
    cloud.controls.clear_faults()
    cloud.controls.inject("servers.reboot", **LOST_BEFORE, status=status)
    play()
    assert seconds_of(not_done) >= CALL_TIMEOUT
    assert cloud.controls.call_counts()["servers.reboot"] == 2


def test_a_verb_that_somebody_else_has_brought_about_is_not_sent_again(
    asked: Asked, cloud: MockCloud, play: Play
) -> None:
    """No record of ours, and none is needed: the server is where it was to be."""
    operation = asked("stop", {"kind": "drop"})
    runner.run(operation.pk)
    cloud.controls.poke(kinds.target(operation).server_id, status="SHUTOFF")
    play()
    assert seconds_of(operation) < SOON
    assert cloud.controls.call_counts()["servers.stop"] == 1


# The pause that a cloud asks for


@pytest.mark.parametrize(("asks", "least", "most"), [(20, 20, 30), (86_400, 60, 75)])
def test_a_pause_that_the_cloud_asks_for_is_kept_within_reason(
    asked: Asked,
    play: Play,
    asks: float,
    least: float,
    most: float,
) -> None:
    fault = {"kind": "fail", "status": 503, "retry_after": asks}
    operation = asked("stop", fault)
    play()
    assert least <= seconds_of(operation) < most


def test_a_pass_keeps_the_pause_too_whatever_is_asked_meanwhile(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.list_all", kind="fail", status=429, retry_after=45)
    observe()
    vms.act(vm, "stop", actor=ALICE)
    runner.run(live().pk)
    health.ask_for_pass("default", "compute")
    row = compute_service()
    assert row.next_pass_at is not None
    assert 40 < (row.next_pass_at - timezone.now()).total_seconds() <= 45


# Two of a kind within the difference that clocks may have


def test_the_record_of_an_earlier_resize_is_not_taken_for_a_lost_call(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, play: Play
) -> None:
    # One that is off is started at the end: of its confirmation no receipt is left.
    vm = make_vm("SHUTOFF")
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    drain()
    vms.act(vm, "stop", actor=ALICE)
    drain()
    cloud.controls.reset_counts()
    cloud.controls.inject("servers.confirm_resize", **LOST_BEFORE)
    vms.resize(vm, flavor="m1.large", actor=ALICE)
    operation = live()
    play()
    operation.refresh_from_db()
    assert operation.status == "SUCCEEDED"
    assert seconds_of(operation) < 2 * CALL_TIMEOUT
    assert cloud.controls.call_counts()["servers.confirm_resize"] == 2
