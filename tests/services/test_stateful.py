"""Anything may happen in any order: requests, faults, deaths, changes outside, time.

Hypothesis looks for an order that breaks a promise. A failure prints a blob: put it
above `Life` as ``@reproduce_failure(…)`` to replay it.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from hypothesis import event
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from compute import clouds
from compute.engine import passes, queue, runner
from compute.errors import (
    DeleteProtected,
    InvalidTransition,
    NotCancellable,
    OperationInProgress,
    Problem,
    ValidationError,
)
from compute.models import (
    VM,
    CloudService,
    Event,
    Keypair,
    Occupation,
    Operation,
    Project,
    Snapshot,
)
from compute.models.lifecycle import MOVING
from compute.services import catalog, snapshots, vms
from providers.errors import ProviderError
from providers.mock import MockCloud
from tests.conftest import ALICE
from tests.support import invariants as ledger
from tests.support.dying_callers import MortalCloud, WorkerDied
from tests.support.lifecycle import STABLE, TABLE
from tests.support.orders import Timed, try_orders
from tests.support.service_verbs import VERBS

NAMES = sorted(TABLE)
RESTING = [status for status in STABLE if status != "DELETED"]
#: (call, kind, more): misbehaviour that is injected.
CALLS = [
    "servers.create",
    "servers.delete",
    "servers.stop",
    "servers.start",
    "servers.reboot",
    "servers.resize",
    "servers.confirm_resize",
    "servers.rebuild",
    "servers.snapshot",
    "servers.shelve",
    "servers.rescue",
]
ANY_KIND = [
    *("fail", "refuse", "drop", "hang", "lose_response"),
    *("quota", "fail_async", "stuck"),
]
READS = ["servers.list_all", "servers.get", "servers.find", "servers.list_actions"]

OUTSIDE = ["ACTIVE", "SHUTOFF", "PAUSED", "ERROR", "DELETED", "vanish"]

vm_numbers = st.integers(0, 2)


def legal(before: str, after: str) -> bool:
    """Whether a change of status is one that the lifecycle knows."""
    if before in MOVING:
        return after in STABLE
    begins = {row.via for row in TABLE.values() if before in row.ends}
    drifts = before in RESTING and after in RESTING
    return after in begins or drifts


class Life(Timed):
    """A service with up to three VMs, its worker, its beat, its cloud, and time."""

    def __init__(self) -> None:
        super().__init__()
        self.place = tempfile.TemporaryDirectory()
        self.rows = transaction.atomic()
        self.rows.__enter__()
        self.project = Project.objects.default()
        self.seen = 0
        self.shown: dict[object, str] = {}
        #: Event sequence -> how many rows lists had then.
        self.counts: dict[int, list[int]] = {}

    @initialize(delay=st.sampled_from(["0", "1"]))
    def begin(self, delay: str) -> None:
        clouds.reset()
        settings.PROVIDERS = {
            "default": {
                "BACKEND": "tests.support.dying_callers.MortalCloud",
                "OPTIONS": {
                    "path": str(Path(self.place.name) / "cloud.sqlite3"),
                    "delay": delay,
                },
            }
        }
        cloud = clouds.get("default")
        assert isinstance(cloud, MortalCloud)
        self.cloud = cloud
        catalog.refresh("default")
        for _ in range(2):
            self.create()
        self.settle()

    def vm(self, number: int) -> VM | None:
        """Return one of the VMs, if there are so many."""
        found: VM | None = (
            VM.objects.alive().order_by("created_at", "id")[number : number + 1].first()
        )
        return found

    def tick(self) -> None:
        """Give each request its own time: what is listed by it then has one order.

        Else a random id decides, and an order of events that failed cannot be replayed.
        """
        self.clock.shift(0.001)

    # Users

    @precondition(lambda self: VM.objects.alive().count() < 3)
    @rule()
    def create(self) -> None:
        self.tick()
        vms.create(
            project=self.project,
            actor=ALICE,
            name="web",
            flavor="m1.tiny",
            image="cirros",
        )

    @rule(number=vm_numbers, name=st.sampled_from(NAMES))
    def ask(self, number: int, name: str) -> None:
        vm = self.vm(number)
        if vm is None:
            return
        self.tick()
        row, refusal = TABLE[name], None
        allowed = vm.allowed_actions
        possible = (
            vm.live_operation is None
            and vm.status in row.ends
            and (name == "remove" or not vm.takes_only_delete)
        )
        try:
            VERBS[name](vm)
        except Problem as problem:
            refusal = problem
        if possible:
            assert row.action in allowed or vm.delete_protection
            # Allowed in this status, yet these values or this VM are not.
            assert refusal is None or isinstance(
                refusal, ValidationError | DeleteProtected
            )
        elif vm.live_operation is not None:
            assert allowed == ()
            assert isinstance(refusal, OperationInProgress)
        else:
            # What softly is impossible may be possible the hard way.
            assert row.action not in allowed or row.action == "reboot"
            assert isinstance(refusal, InvalidTransition)

    @rule(choices=st.lists(st.sampled_from(range(100)), min_size=1, max_size=4))
    def ask_for_what_is_possible(self, choices: list[int]) -> None:
        for choice in choices:
            self.ask_for_something_possible(choice, turns=choice % 4)

    def ask_for_something_possible(self, choice: int, *, turns: int) -> None:
        numbers = range(VM.objects.alive().count())
        idle = [n for n in numbers if self.allowed(n)]
        if idle:
            number = idle[choice % len(idle)]
            allowed = self.allowed(number)
            self.ask(number, allowed[choice % len(allowed)])
            for _ in range(turns):
                self.go_on()

    def allowed(self, number: int) -> list[str]:
        """Return the verbs that a VM may begin now."""
        vm = self.vm(number)
        if vm is None or vm.live_operation is not None:
            return []
        return [name for name in NAMES if vm.status in TABLE[name].ends]

    @rule(number=vm_numbers, protected=st.booleans())
    def protect(self, number: int, protected: bool) -> None:
        vm = self.vm(number)
        if vm is not None:
            changes = {"delete_protection": protected}
            vms.update(vm, actor=ALICE, changes=changes)

    @rule()
    def delete_snapshot(self) -> None:
        snapshot = Snapshot.objects.alive().order_by("created_at").first()
        if snapshot is not None:
            self.tick()
            with suppress(OperationInProgress, InvalidTransition):
                snapshots.delete(snapshot, actor=ALICE)

    @precondition(lambda self: Operation.objects.live().exists())
    @rule(number=vm_numbers)
    def cancel(self, number: int) -> None:
        vm = self.vm(number)
        if vm is not None and vm.operation is not None:
            cancellable = runner.is_cancellable(vm.operation)
            try:
                runner.cancel(vm.operation, actor=ALICE)
                assert cancellable
            except NotCancellable:
                assert not cancellable

    # Workers and the beat

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0]))
    def go_on(self, seconds: float = 1.0) -> None:
        self.work()
        self.clock.shift(seconds)
        self.watch(full=False)

    def work(self) -> None:
        runner.sweep()
        for operation in Operation.objects.claimable(timezone.now()):
            self.mortal(partial(runner.run, operation.pk))

    @rule(full=st.booleans())
    def watch(self, full: bool) -> None:
        changes = {"next_pass_at": None}
        if full:
            changes["full_observed_at"] = None
        CloudService.objects.update(**changes)
        self.mortal(partial(passes.observe, "default", "compute"))

    @rule(moment=st.sampled_from(["before", "after"]))
    def doom_the_next_caller(self, moment: str) -> None:
        self.cloud.doom = moment

    @rule()
    def die_with_a_claim(self) -> None:
        operation = Operation.objects.claimable(timezone.now()).first()
        if operation is not None:
            queue.claim(operation.pk)

    def mortal(self, work: Callable[[], object]) -> None:
        with suppress(WorkerDied):
            work()

    # The cloud and time

    @rule(
        op=st.sampled_from(CALLS),
        kind=st.sampled_from(ANY_KIND),
        status=st.sampled_from([400, 403, 404, 409, 500, 503]),
        times=st.integers(1, 3),
    )
    def misbehave(self, op: str, kind: Any, status: int, times: int) -> None:
        fault: dict[str, Any] = {"status": status} if kind == "fail" else {}
        self.cloud.controls.inject(op, kind=kind, times=times, **fault)

    @rule(op=st.sampled_from(READS), kind=st.sampled_from(["fail", "hang"]))
    def fail_to_answer(self, op: str, kind: Any) -> None:
        self.cloud.controls.inject(op, kind=kind)

    @rule(kind=st.sampled_from(["hidden", "build_error"]))
    def spoil_the_next_create(self, kind: Any) -> None:
        self.cloud.controls.inject("servers.create", kind=kind, delay=3.0)

    @rule(number=vm_numbers, status=st.sampled_from(OUTSIDE))
    def change_outside(self, number: int, status: str) -> None:
        vm = self.vm(number)
        if vm is not None and vm.server_id:
            with suppress(ProviderError):  # it may be gone by now
                if status == "vanish":
                    self.cloud.controls.vanish(vm.server_id)
                else:
                    self.cloud.controls.poke(vm.server_id, status=status)

    @rule(seconds=st.sampled_from([0.2, 1.0, 6.0, 70.0]))
    def wait(self, seconds: float) -> None:
        self.clock.shift(seconds)

    # Promises

    @invariant()
    def what_moves_is_worked_on(self) -> None:
        for vm in VM.objects.with_operation():
            live = vm.live_operation
            assert (vm.status in MOVING) <= (live is not None)
            if live is not None:
                assert vm.allowed_actions == ()
                assert Operation.objects.live().about("vm", vm.pk).count() == 1
            assert (vm.deleted_at is not None) == (vm.status == "DELETED")

    @invariant()
    def what_is_worked_on_is_occupied_and_nothing_else(self) -> None:
        pairs = {
            (kind, id)
            for operation in Operation.objects.live()
            for kind, id in (
                (operation.target_kind, operation.target_id),
                (operation.related_kind, operation.related_id),
            )
            if id is not None
        }
        assert set(Occupation.objects.values_list("kind", "target_id")) == pairs

    @invariant()
    def no_row_comes_or_goes_without_an_event(self) -> None:
        # Counts of lists are kept until the next: `counts_are_kept`.
        listed: list[Any] = [VM.objects, Snapshot.objects, Keypair.objects]
        counts = [rows.alive().count() for rows in listed]
        counts += [VM.objects.count(), Snapshot.objects.count()]
        counts.append(Operation.objects.count())
        self.project.refresh_from_db()
        newest = self.project.event_sequence
        assert self.counts.setdefault(newest, counts) == counts

    @invariant()
    def every_change_is_legal_and_told(self) -> None:
        new = Event.objects.filter(sequence__gt=self.seen).order_by("sequence")
        for entry in new:
            self.seen += 1
            assert entry.sequence == self.seen
            if entry.type == "vm.created":
                self.shown[entry.subject_id] = "BUILD"
            elif entry.type.startswith("vm.") and "status" in entry.changes:
                before, after = entry.changes["status"]
                assert before == self.shown[entry.subject_id]
                assert before == after or legal(before, after), (before, after)
                self.shown[entry.subject_id] = after
        assert self.shown == dict(VM.objects.values_list("pk", "status"))

    @invariant()
    def every_version_is_told(self) -> None:
        ledger.check_versions()

    def teardown(self) -> None:
        try:
            if hasattr(self, "cloud"):
                self.settle()
                self.every_change_is_legal_and_told()
                ledger.check(self.cloud)
                for ended in Operation.objects.values_list("type", "status"):
                    event(" ".join(ended))  # for --hypothesis-show-statistics
        finally:
            transaction.set_rollback(True)
            self.rows.__exit__(None, None, None)
            clouds.reset()
            self.place.cleanup()

    def settle(self) -> None:
        """Let the cloud behave and nobody die, until all work has ended."""
        self.cloud.controls.clear_faults()
        self.cloud.doom = ""
        wait = 1.0
        for _ in range(100):
            self.work()
            if not Operation.objects.live().exists():
                break
            self.watch(full=False)
            self.clock.shift(wait)
            wait = min(wait * 1.2, 120)
        for _ in range(2):
            self.clock.shift(70)
            self.watch(full=True)


@pytest.mark.slow
@pytest.mark.django_db
def test_no_order_of_events_breaks_a_promise(cloud: MockCloud) -> None:
    try_orders(Life, 60)
