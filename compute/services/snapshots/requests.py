"""Snapshots: what can be asked of them.

Taking one occupies its VM, whose status stays as it is; deleting one occupies the
snapshot alone.
"""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django_fsm import can_proceed

from compute import events
from compute.engine import queue
from compute.errors import InvalidTransition
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import (
    VM,
    OperationType,
    Snapshot,
    SnapshotStatus,
)
from compute.models.kinds import held_by
from compute.services import fields, quotas, rows, vms

#: What `update` may change.
EDITABLE = frozenset({"name", "description", "labels"})


def create(
    vm: VM,
    *,
    actor: Actor,
    name: str,
    description: str = "",
    labels: Mapping[str, str] | None = None,
    expect: Expect = None,
) -> Snapshot:
    """Ask for a snapshot of a VM; no other action is accepted until it ends."""
    with transaction.atomic():
        vm = rows.lock(vm)
        vms.check(vm, "snapshot", expect=expect)
        queue.check_free(vm)
        vm.snapshot()
        snapshot: Snapshot = Snapshot(
            project_id=vm.project_id,
            cloud=vm.cloud,
            vm=vm,
            name=name,
            description=description,
            labels=dict(labels or {}),
        )
        fields.check(snapshot, "name", "description", "labels")
        quotas.reserve(vm.project_id, held_by(snapshot))
        operation = queue.submit(
            OperationType.SNAPSHOT_CREATE,
            actor=actor,
            target=snapshot,
            related=vm,
            params={"name": name},
            end_status=SnapshotStatus.AVAILABLE,
        )
        snapshot.operation = vm.operation = operation
        snapshot.save(force_insert=True)
        created = events.by(
            actor,
            "snapshot.created",
            subject=snapshot,
            related=vm,
            operation=operation,
        )
        changed = rows.changed([rows.save(vm)], operation, actor=actor)
        events.record_all(vm.project_id, [created, *changed])
    return snapshot


def update(
    snapshot: Snapshot,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
) -> Snapshot:
    """Change what is ours alone: name, description, labels."""
    with transaction.atomic():
        return rows.update(
            snapshot,
            editable=EDITABLE,
            actor=actor,
            changes=changes,
            expect=expect,
            related=snapshot.vm,
        )


def delete(snapshot: Snapshot, *, actor: Actor, expect: Expect = None) -> Snapshot:
    """Delete a snapshot: its image goes, the row stays as DELETED."""
    with transaction.atomic():
        snapshot = rows.lock(snapshot)
        check_expected(snapshot, expect)
        if not can_proceed(snapshot.remove):
            queue.check_free(snapshot)
            raise InvalidTransition(
                f"Cannot delete a snapshot that is {snapshot.status}.",
                snapshot_status=snapshot.status,
                allowed_actions=[],
            )
        before = snapshot.status
        snapshot.remove()
        snapshot.operation = queue.submit(
            OperationType.SNAPSHOT_DELETE,
            actor=actor,
            target=snapshot,
            from_status=before,
            end_status=SnapshotStatus.DELETED,
        )
        snapshot.save_changes()
        events.record(
            "snapshot.updated",
            actor=actor,
            subject=snapshot,
            related=snapshot.vm,
            operation=snapshot.operation,
            changes={"status": [before, snapshot.status]},
        )
    return snapshot
