"""VMs: what can be asked of them.

Each request only writes rows, in one short transaction: lock, check, transition,
operation, event. A worker performs it: `build`, `verbs` and `resizes`. How it ends
is in `ends`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models, transaction
from django_fsm import TransitionNotAllowed, can_proceed

from compute import events
from compute.engine import queue
from compute.errors import (
    DeleteProtected,
    InvalidTransition,
    ValidationError,
)
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import (
    VM,
    OperationType,
    Project,
    Resource,
    Snapshot,
    SnapshotStatus,
    UserDataEncoding,
    VMStatus,
)
from compute.models.kinds import held_by
from compute.models.vm import VERBS
from compute.services import catalog, fields, keypairs, ports, quotas, rows
from compute.services.allowed_clouds import cloud_of
from compute.services.vms.user_data import decode


class RebootType(models.TextChoices):
    SOFT = "SOFT"
    HARD = "HARD"


#: What `update` may change.
EDITABLE = frozenset({"name", "description", "labels", "delete_protection"})


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    flavor: str,
    image: str,
    cloud: str | None = None,
    description: str = "",
    labels: Mapping[str, str] | None = None,
    delete_protection: bool = False,
    keypair: str | None = None,
    networks: Sequence[ports.Wish] = (),
    security_groups: Sequence[str] | None = None,
    user_data: str = "",
    user_data_encoding: str = UserDataEncoding.PLAIN,
) -> VM:
    """Ask for a new VM.

    ``flavor``, ``image`` and ``keypair`` are names or ids, kept as given. Without
    ``networks`` it is on the cloud's default one. Raises ValidationError for an unknown
    one of any of them or an unknown cloud, an image too large for the flavor, or user
    data that no cloud takes, and ResourceLimitExceeded when the project's quotas have no
    room.
    """
    alias = cloud_of(project, cloud)
    size = catalog.flavor(flavor, cloud=alias)
    source = catalog.image(image, cloud=alias, project=project)
    catalog.check_fits(
        source, disk_gb=size.disk_gb, ram_mb=size.ram_mb, pointer="#/flavor"
    )
    key = None if keypair is None else keypairs.find(keypair, project=project)
    with transaction.atomic():
        places, groups = ports.resolve(
            networks, security_groups, project=project, cloud=alias
        )
        vm: VM = VM(
            project=project,
            cloud=alias,
            name=name,
            description=description,
            labels=dict(labels or {}),
            delete_protection=delete_protection,
            user_data=user_data,
            user_data_encoding=user_data_encoding,
            flavor_name=flavor,
            flavor=size,
            image_name=image,
            image=source,
            keypair_name=keypair or "",
            keypair=key,
            vcpus=size.vcpus,
            ram_mb=size.ram_mb,
            disk_gb=size.disk_gb,
        )
        fields.check(
            vm,
            *("name", "description", "labels", "delete_protection"),
            *("user_data", "user_data_encoding"),
        )
        decode(user_data, user_data_encoding)  # now, not when a worker comes to it
        quotas.reserve(project.pk, held_by(vm))
        vm.operation = queue.submit(
            OperationType.VM_CREATE,
            actor=actor,
            target=vm,
            params={
                "flavor_provider_id": size.provider_id,
                "image_provider_id": source.provider_id,
            },
            end_status=VMStatus.ACTIVE,
        )
        vm.save(force_insert=True)
        ports.write(vm, places, groups, networks)
        events.record("vm.created", actor=actor, subject=vm, operation=vm.operation)
    return vm


def update(
    vm: VM,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
) -> VM:
    """Change what is ours alone: name, description, labels, delete_protection."""
    with transaction.atomic():
        vm = rows.update(
            vm, editable=EDITABLE, actor=actor, changes=changes, expect=expect
        )
        _ = vm.operation  # read while it can fail: the answer shows what it permits
    return vm


def act(
    vm: VM,
    method: str,
    *,
    actor: Actor,
    expect: Expect = None,
    params: Mapping[str, Any] | None = None,
) -> VM:
    """Ask for a verb of the lifecycle that needs nothing but the VM."""
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, method, expect=expect)
        type = OperationType(f"vm.{VERBS[method].action}")
        return begin(vm, method, type, actor=actor, params=params)


def reboot(
    vm: VM,
    *,
    type: RebootType = RebootType.SOFT,
    actor: Actor,
    expect: Expect = None,
) -> VM:
    """Reboot a VM: SOFT asks the guest, HARD cuts the power and leads out of ERROR."""
    return act(
        vm,
        "reboot_hard" if type == RebootType.HARD else "reboot",
        actor=actor,
        expect=expect,
        params={"type": str(type)},
    )


def resize(vm: VM, *, flavor: str, actor: Actor, expect: Expect = None) -> VM:
    """Give a VM another flavor; a VM that was off comes back on."""
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, "resize", expect=expect)
        queue.check_free(vm)
        size = catalog.flavor(flavor, cloud=vm.cloud)
        catalog.check_resizable(vm, size)
        # Both sizes until it ends: nobody knows yet which one stays.
        vm.reserved_vcpus = max(0, size.vcpus - vm.vcpus)
        vm.reserved_ram_mb = max(0, size.ram_mb - vm.ram_mb)
        vm.reserved_disk_gb = max(0, size.disk_gb - vm.disk_gb)
        quotas.reserve(
            vm.project_id,
            {
                Resource.VCPUS: vm.reserved_vcpus,
                Resource.RAM_MB: vm.reserved_ram_mb,
                Resource.DISK_GB: vm.reserved_disk_gb,
            },
        )
        return begin(
            vm,
            "resize",
            OperationType.VM_RESIZE,
            actor=actor,
            params={
                "flavor": flavor,
                "flavor_id": str(size.pk),
                "flavor_provider_id": size.provider_id,
                "flavor_provider_name": size.name,
            },
        )


def rebuild(vm: VM, *, image: str, actor: Actor, expect: Expect = None) -> VM:
    """Replace a VM's disk by an image; a VM that was off stays off."""
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, "rebuild", expect=expect)
        queue.check_free(vm)
        source = catalog.image(image, cloud=vm.cloud, project=vm.project)
        catalog.check_fits(
            source, disk_gb=vm.disk_gb, ram_mb=vm.ram_mb, pointer="#/image"
        )
        return begin(
            vm,
            "rebuild",
            OperationType.VM_REBUILD,
            actor=actor,
            params={
                "image": image,
                "image_id": str(source.pk),
                "image_provider_id": source.provider_id,
            },
        )


def restore(vm: VM, *, snapshot: str, actor: Actor, expect: Expect = None) -> VM:
    """Rebuild a VM from a snapshot of its own."""
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, "restore", expect=expect)
        queue.check_free(vm)
        source = _own_snapshot(vm, snapshot)
        queue.check_free(source)
        return begin(
            vm,
            "restore",
            OperationType.VM_RESTORE,
            actor=actor,
            related=source,
            params={
                "snapshot": str(source.pk),
                "snapshot_name": source.name,
                "image_provider_id": source.image_provider_id,
            },
        )


def delete(vm: VM, *, actor: Actor, expect: Expect = None) -> VM:
    """Delete a VM: the server goes, the row stays as DELETED.

    Raises DeleteProtected while ``delete_protection`` is on.
    """
    with transaction.atomic():
        vm = rows.lock(vm)
        check(vm, "remove", expect=expect)
        if vm.delete_protection:
            queue.check_free(vm)
            raise DeleteProtected("Turn delete_protection off first.")
        return begin(vm, "remove", OperationType.VM_DELETE, actor=actor)


def check(vm: VM, method: str, *, expect: Expect) -> None:
    """Raise unless a locked VM permits the transition and has the expected version.

    Whether it is free is asked only to say so before anything else: `queue.submit`
    decides. Who checks more in between calls `queue.check_free` first.
    """
    check_expected(vm, expect)
    if not can_proceed(getattr(vm, method)):
        queue.check_free(vm)
        action = VERBS[method].action
        other = " softly; use type HARD" if method == "reboot" else ""
        raise not_allowed(vm, action, other if action in vm.allowed_actions else "")


def not_allowed(vm: VM, action: str, addition: str = "") -> InvalidTransition:
    """Return the refusal of what the status of a VM does not permit."""
    if vm.lacks_server:
        addition = " and has no server in the cloud"
    elif vm.takes_only_delete:
        addition = " and whose server was never launched"
    return InvalidTransition(
        f"Cannot {action} a VM that is {vm.status}{addition}.",
        vm_status=vm.status,
        allowed_actions=list(vm.allowed_actions),
    )


def begin(
    vm: VM,
    method: str,
    type: OperationType,
    *,
    actor: Actor,
    related: Snapshot | None = None,
    params: Mapping[str, Any] | None = None,
) -> VM:
    """Make the transition of a checked request, in the caller's transaction."""
    before = VMStatus(vm.status)
    try:
        getattr(vm, method)()
    except TransitionNotAllowed as error:
        raise not_allowed(vm, VERBS[method].action) from error
    vm.operation = queue.submit(
        type,
        actor=actor,
        target=vm,
        related=related,
        params=params,
        from_status=before,
        end_status=VERBS[method].ends[before],
    )
    changed = rows.changed([rows.save(vm)], vm.operation, actor=actor)
    events.record_all(vm.project_id, changed)
    return vm


def _own_snapshot(vm: VM, reference: str) -> Snapshot:
    """Return the snapshot that a client names by id or name, locked.

    Its deletion must not begin meanwhile. Of several by one name none is taken: a
    restore wipes the disk.
    """
    available = vm.snapshots.alive().filter(status=SnapshotStatus.AVAILABLE)
    locked = available.select_for_update(no_key=True)
    by_id = [snapshot for snapshot in locked if str(snapshot.pk) == reference]
    matches = by_id or [snapshot for snapshot in locked if snapshot.name == reference]
    if len(matches) == 1:
        return matches[0]
    code, detail = (
        (
            "ambiguous",
            f"{len(matches)} snapshots of this VM have that name; give an id.",
        )
        if matches
        else ("does_not_exist", f"This VM has no available snapshot {reference}.")
    )
    raise ValidationError([{"pointer": "#/snapshot", "code": code, "detail": detail}])
