"""Snapshots: taken, shown, changed, deleted, and what they leave behind."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from compute.engine import runner
from compute.errors import (
    InvalidTransition,
    NotFound,
    OperationInProgress,
    PreconditionFailed,
)
from compute.expected import VersionIs
from compute.models import VM, Event, Image, Operation, Snapshot
from compute.services import catalog, snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import Play, live
from tests.support import invariants as ledger

MakeVM = Callable[..., VM]


@pytest.fixture
def snapshot(make_vm: MakeVM, drain: Drain) -> Snapshot:
    """A snapshot that is AVAILABLE, with its image in the cloud."""
    made = snapshots.create(make_vm(), actor=ALICE, name="before")
    drain()
    made.refresh_from_db()
    assert made.status == "AVAILABLE"
    return made


def history(snapshot: Snapshot) -> list[tuple[str, str, dict[str, Any]]]:
    """Return (type, actor, changes and details) of a snapshot's events in order."""
    found = Event.objects.about("snapshot", snapshot.pk).order_by("sequence")
    own = [event for event in found if event.subject_id == snapshot.pk]
    assert all(event.related_id == snapshot.vm_id for event in own)
    return [(event.type, event.actor, event.changes | event.details) for event in found]


@pytest.mark.parametrize("status", ["ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED"])
def test_a_snapshot_occupies_its_vm_and_leaves_it_as_it_was(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, status: str
) -> None:
    vm = make_vm(status)
    version = vm.version
    snapshot = snapshots.create(
        vm, actor=ALICE, name="before", description="why", labels={"a": "b"}
    )
    assert (snapshot.status, snapshot.description) == ("CREATING", "why")
    assert snapshot.project_id == vm.project_id
    vm.refresh_from_db()
    assert (vm.status, vm.allowed_actions) == (status, ())
    # Its allowed_actions changed, and did so again.
    assert vm.version == version + 1
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.version) == (status, version + 2)
    assert vm.allowed_actions
    snapshot.refresh_from_db()
    assert snapshot.status == "AVAILABLE"
    ledger.check(cloud)


def test_a_snapshot_is_told_from_its_beginning_to_its_end(
    snapshot: Snapshot, drain: Drain
) -> None:
    snapshots.delete(snapshot, actor=ALICE)
    drain()
    told = history(snapshot)
    assert [(type, actor, tells.get("status")) for type, actor, tells in told] == [
        ("snapshot.created", "user:alice", None),
        ("operation.finished", "system", "SUCCEEDED"),
        ("snapshot.updated", "system", ["CREATING", "AVAILABLE"]),
        ("snapshot.updated", "user:alice", ["AVAILABLE", "DELETING"]),
        ("operation.finished", "system", "SUCCEEDED"),
        ("snapshot.deleted", "system", ["DELETING", "DELETED"]),
    ]
    assert told[2][2]["size_bytes"][0] is None


@pytest.mark.parametrize("fault", [{"kind": "fail", "status": 503}, {"kind": "hang"}])
def test_one_that_was_taken_is_not_given_up_while_its_image_cannot_be_read(
    make_vm: MakeVM,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
    fault: dict[str, Any],
) -> None:
    """Else a pass would remove the image, once Glance is back."""
    made = snapshots.create(make_vm(), actor=ALICE, name="before")
    operation = live()
    cloud.controls.inject("images.list_snapshots", times=0, **fault)
    away = timezone.now() + timedelta(minutes=3)
    while timezone.now() < away:
        runner.sweep()
        for due in Operation.objects.claimable(timezone.now()):
            runner.run(due.pk)
        observe()
        clock.shift(1)
    assert live() == operation
    cloud.controls.clear_faults()
    play()
    made.refresh_from_db()
    assert made.status == "AVAILABLE"
    assert len(cloud.images.list_snapshots()) == 1
    ledger.check(cloud)


def test_the_image_of_a_snapshot_is_offered_to_its_project(
    snapshot: Snapshot, cloud: MockCloud
) -> None:
    (image,) = cloud.images.list_snapshots()
    assert snapshot.image_provider_id == image.id
    assert snapshot.size_bytes == image.size_bytes
    assert snapshot.image is not None
    assert (snapshot.image.provider_id, snapshot.image.name) == (image.id, "before")
    assert snapshot.image.project_id == snapshot.project_id
    catalog.refresh("default")  # which lists it too
    found = Image.objects.get(provider_id=image.id)
    assert (found.project_id, found.vanished_at) == (snapshot.project_id, None)


def test_a_vm_can_be_made_from_a_snapshots_image(
    snapshot: Snapshot, cloud: MockCloud, drain: Drain
) -> None:
    vm = vms.create(
        project=snapshot.project,
        actor=ALICE,
        name="twin",
        flavor="m1.small",
        image=str(snapshot.image_id),
    )
    drain()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert cloud.servers.get(vm.server_id).image_id == snapshot.image_provider_id


def test_a_snapshot_that_takes_its_time_shows_how_far_it_is(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="stuck")
    snapshots.create(vm, actor=ALICE, name="before")
    operation = live()
    runner.run(operation.pk)
    observe()
    operation.refresh_from_db()
    assert (operation.status, operation.step) == ("RUNNING", "image_snapshot")


def test_an_image_that_the_cloud_gave_up_is_removed(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="fail_async", message="Disk full")
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    drain()
    snapshot.refresh_from_db()
    assert snapshot.status == "ERROR"
    assert snapshot.error is not None
    assert snapshot.error["code"] == "openstack-error"
    ledger.check(cloud)


def test_a_snapshot_that_nobody_works_on_any_more_has_failed(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    """The host died: Nova has the server rest again, and forgets the image."""
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="stuck")
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    runner.run(live().pk)
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    play()
    snapshot.refresh_from_db()
    assert snapshot.status == "ERROR"
    assert snapshot.error is not None
    assert snapshot.error["code"] == "openstack-error"
    assert "queued" in snapshot.error["detail"]
    operation = Operation.objects.latest("created_at")
    assert operation.finished_at is not None
    assert operation.finished_at - operation.created_at < timedelta(minutes=1)
    observe(full=True)
    ledger.check(cloud)


def test_an_image_may_become_active_a_little_after_its_server_rests(
    make_vm: MakeVM, cloud: MockCloud, clock: time_machine.Traveller, play: Play
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="stuck")
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    runner.run(live().pk)
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    observe()
    runner.run(live().pk)
    clock.shift(10)
    (image,) = cloud.images.list_snapshots()
    cloud.controls.put_image(image)  # which makes it active
    play()
    snapshot.refresh_from_db()
    assert snapshot.status == "AVAILABLE"
    ledger.check(cloud)


def test_a_vm_deleted_outside_ends_its_snapshot(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="stuck")
    snapshot = snapshots.create(vm, actor=ALICE, name="before")
    runner.run(live().pk)
    cloud.servers.delete(vm.server_id, request_id="req-operator")
    play()
    observe()
    snapshot.refresh_from_db()
    vm.refresh_from_db()
    assert (snapshot.status, vm.status) == ("ERROR", "ERROR")
    ledger.check(cloud)


# Update


def test_an_update_changes_what_is_ours_and_says_what(snapshot: Snapshot) -> None:
    changes = {"name": "after", "labels": {"a": "b"}, "description": ""}
    changed = snapshots.update(snapshot, actor=ALICE, changes=changes)
    assert (changed.name, changed.version) == ("after", snapshot.version + 1)
    expected = {"name": ["before", "after"], "labels": [{}, {"a": "b"}]}
    assert history(snapshot)[-1] == ("snapshot.updated", "user:alice", expected)
    told = len(history(snapshot))
    again = snapshots.update(snapshot, actor=ALICE, changes=changes)
    assert (again.version, len(history(snapshot))) == (changed.version, told)


def test_the_status_is_not_for_update(snapshot: Snapshot) -> None:
    with pytest.raises(ValueError, match="status"):
        snapshots.update(snapshot, actor=ALICE, changes={"status": "DELETED"})


def test_an_unexpected_version_is_refused(snapshot: Snapshot) -> None:
    wrong = VersionIs(snapshot.version + 1)
    before = Event.objects.count()
    with pytest.raises(PreconditionFailed) as caught:
        snapshots.update(snapshot, actor=ALICE, changes={"name": "x"}, expect=wrong)
    assert caught.value.members == {"version": snapshot.version}
    with pytest.raises(PreconditionFailed):
        snapshots.delete(snapshot, actor=ALICE, expect=wrong)
    assert Event.objects.count() == before
    snapshots.delete(snapshot, actor=ALICE, expect=VersionIs(snapshot.version))


# Delete


def test_a_deleted_snapshot_is_marked_and_its_image_is_gone(
    snapshot: Snapshot, cloud: MockCloud, drain: Drain
) -> None:
    asked = snapshots.delete(snapshot, actor=ALICE)
    assert (asked.status, asked.deleted_at) == ("DELETING", None)
    assert snapshot.vm.allowed_actions  # it occupies the snapshot alone
    drain()
    snapshot = Snapshot.objects.get(pk=snapshot.pk)
    assert snapshot.status == "DELETED"
    assert snapshot.deleted_at is not None
    assert snapshot.image is not None
    assert snapshot.image.vanished_at == snapshot.deleted_at
    assert not Image.objects.offered().filter(pk=snapshot.image.pk).exists()
    assert cloud.images.list_snapshots() == []
    with pytest.raises(NotFound):
        snapshots.delete(snapshot, actor=ALICE)
    with pytest.raises(NotFound):
        snapshots.update(snapshot, actor=ALICE, changes={"name": "x"})
    ledger.check(cloud)


def test_a_snapshot_that_is_busy_is_not_deleted(
    make_vm: MakeVM, snapshot: Snapshot
) -> None:
    creating = snapshots.create(snapshot.vm, actor=ALICE, name="another")
    with pytest.raises(OperationInProgress) as caught:
        snapshots.delete(creating, actor=ALICE)
    assert caught.value.members == {"operation_id": str(creating.operation_id)}
    deleting = snapshots.delete(snapshot, actor=ALICE)
    with pytest.raises(OperationInProgress) as caught:
        snapshots.delete(snapshot, actor=ALICE)
    assert caught.value.members == {"operation_id": str(deleting.operation_id)}


def test_a_snapshot_outlives_its_vm(
    snapshot: Snapshot, cloud: MockCloud, drain: Drain
) -> None:
    vms.delete(snapshot.vm, actor=ALICE)
    drain()
    snapshot.refresh_from_db()
    assert snapshot.status == "AVAILABLE"
    ledger.check(cloud)
    snapshots.delete(snapshot, actor=ALICE)
    drain()
    ledger.check(cloud)
    assert cloud.images.list_snapshots() == []


def test_a_snapshot_in_a_status_that_moves_is_not_deleted(
    snapshot: Snapshot,
) -> None:
    # No operation lives, which cannot be; the machine refuses all the same.
    Snapshot.objects.filter(pk=snapshot.pk).update(status="CREATING")
    with pytest.raises(InvalidTransition) as caught:
        snapshots.delete(snapshot, actor=ALICE)
    assert caught.value.members["snapshot_status"] == "CREATING"
