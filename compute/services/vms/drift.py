"""Drift: list the servers of a cloud, and take over what was changed outside.

Three facts, three writers: what was asked is the Operation, what the cloud said is
``observed_status``, what we show is ``status``. Nothing is corrected while an operation
lives.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import transaction
from django.db.models import F

from compute import clouds, events
from compute.errors import ServerVanished
from compute.events import SYSTEM
from compute.models import VM, Flavor, Occupation, Operation, VMStatus
from compute.models.kinds import held_by
from compute.models.lifecycle import GONE
from compute.services import leftovers, quotas
from compute.services.vms import keys, observed
from compute.services.vms.leftovers import servers_of
from compute.services.vms.observed import Listing
from providers.contract.servers import Server

#: Rows looked up at a time.
CHUNK = 500


def list_servers(alias: str, started: datetime, since: datetime | None) -> Listing:
    """List the servers of a cloud: all, or those that have changed since."""
    servers = clouds.get(alias).servers.list_all(changes_since=since)
    waiting = Operation.objects.waiting().filter(cloud=alias)
    waited_for = VM.objects.filter(operation__in=waiting)
    return Listing(
        started,
        full=since is None,
        servers={server.id: server for server in servers},
        server_ids=dict(waited_for.values_list("pk", "server_id")),
    )


def follow_servers(alias: str, listing: Listing) -> None:
    """Take over what a listing shows of VMs that no operation occupies."""
    occupied = Occupation.objects.filter(kind=VM.kind, operation__cloud=alias)
    busy = set(occupied.values_list("target_id", flat=True))
    servers = list(listing.servers.values())
    for start in range(0, len(servers), CHUNK):
        chunk = servers[start : start + CHUNK]
        _follow(alias, chunk, busy, started=listing.started)
    if listing.full:
        _note_missing(alias, listing.servers, busy, started=listing.started)
    leftovers.remove(alias, servers_of(alias, servers))
    if listing.full and keys.are_lent(alias):
        leftovers.remove(alias, keys.leftover_copies(alias))


def _follow(
    alias: str, servers: Sequence[Server], busy: set[UUID], *, started: datetime
) -> None:
    by_id = {server.id: server for server in servers}
    vms = VM.objects.alive().filter(cloud=alias, server_id__in=by_id)
    # Nearly all are as they were: no model is made of these.
    changed = [
        seen.pk
        for seen in map(Seen._make, vms.values_list(*Seen._fields))
        if seen.pk not in busy and not is_unchanged(seen, by_id[seen.server_id])
    ]
    if not changed:
        return
    for vm in vms.filter(pk__in=changed):
        server = by_id[vm.server_id]
        if observed.is_gone(server):
            vanish(vm, seen_at=started)
            continue
        status = observed.resting_status(server)
        if status is None:
            note_unrest(vm, server)
        else:
            follow(vm, server, status, seen_at=started)


def _note_missing(
    alias: str,
    servers: Mapping[str, Server],
    busy: set[UUID],
    *,
    started: datetime,
) -> None:
    candidates = (
        VM.objects.alive()
        .filter(cloud=alias, created_at__lt=started)
        .exclude(server_id="")
        .values_list("pk", "server_id", "missing_since")
    )
    for pk, server_id, missing_since in candidates.iterator(chunk_size=CHUNK):
        if pk in busy or (server_id in servers and missing_since is None):
            continue
        if server_id in servers:
            VM.objects.filter(pk=pk).update(missing_since=None)
        else:
            miss(VM.objects.get(pk=pk), absent_since=started)


class Seen(NamedTuple):
    """The columns of a VM that a listing is compared with."""

    pk: UUID
    server_id: str
    status: str
    observed_status: str
    addresses: list[dict[str, Any]]
    networks: list[dict[str, Any]]
    never_launched: bool
    flavor_name: str
    flavor__name: str | None
    vcpus: int
    ram_mb: int
    disk_gb: int


def is_unchanged(seen: Seen, server: Server) -> bool:
    """Whether a server shows nothing that its VM does not."""
    status = observed.resting_status(server)
    return (
        seen.observed_status == server.status
        and not observed.is_gone(server)
        and (
            status is None
            or (
                seen.status == status
                and seen.never_launched == (server.launched_at is None)
                and not _is_other_size(
                    server,
                    names=(seen.flavor_name, seen.flavor__name),
                    size=(seen.vcpus, seen.ram_mb, seen.disk_gb),
                )
                and (
                    bool(seen.networks)
                    or seen.addresses == observed.addresses_of(server)
                )
            )
        )
    )


def _is_other_size(
    server: Server, *, names: tuple[str | None, ...], size: tuple[int, int, int]
) -> bool:
    if not server.flavor_name:  # a cell that is down tells no size
        return False
    return (
        server.flavor_name not in names
        or (server.vcpus, server.ram_mb, server.disk_gb) != size
    )


def _note_size(vm: VM, server: Server) -> None:
    """Take over the size of a server that was resized outside."""
    # As sent it may be an id.
    names = (vm.flavor_name, vm.flavor.name if vm.flavor else None)
    size = (vm.vcpus, vm.ram_mb, vm.disk_gb)
    if not _is_other_size(server, names=names, size=size):
        return
    offered = Flavor.objects.filter(cloud=vm.cloud, name=server.flavor_name)
    vm.flavor_name = server.flavor_name
    vm.flavor = offered.order_by(F("vanished_at").desc(nulls_first=True)).first()
    vm.vcpus, vm.ram_mb, vm.disk_gb = server.vcpus, server.ram_mb, server.disk_gb


def may_correct(vm: VM, seen_at: datetime) -> bool:
    """Whether what the cloud said then is newer than all we did ourselves."""
    if vm.deleted_at is not None:
        return False
    ended = vm.operation.finished_at if vm.operation else None
    return vm.live_operation is None and (ended is None or ended < seen_at)


def follow(vm: VM, server: Server, status: VMStatus, *, seen_at: datetime) -> bool:
    """Take over a change made outside, unless an operation lives; say if it did.

    ``seen_at`` is when the listing that tells it was asked for: one older than the
    end of an operation does not undo it.
    """
    with transaction.atomic():
        vm = VM.locked(vm.pk)
        if not may_correct(vm, seen_at):
            return False
        held, offered = held_by(vm), vm.allowed_actions
        drifted = vm.lacks_server or status != vm.status
        observed.note(vm, server)
        _note_size(vm, server)
        # It is there, whatever the limit says.
        vm.counted = True
        quotas.settle(vm.project_id, before=held, after=held_by(vm))
        if drifted:
            vm.follow(status)
            vm.error = (
                observed.fault_problem(server).document()
                if status == VMStatus.ERROR
                else None
            )
        changes = vm.visible_changes()
        if vm.allowed_actions != offered and not drifted:
            changes["allowed_actions"] = [offered, vm.allowed_actions]
        vm.save_changes(touch=bool(changes))
        if drifted or changes:
            type = "vm.drifted" if drifted else "vm.updated"
            events.record(type, actor=SYSTEM, subject=vm, changes=changes)
        return drifted or bool(changes)


def note_unrest(vm: VM, server: Server) -> None:
    """Note what the cloud says of a server that somebody else moves.

    Operators see it (VERIFY_RESIZE, MIGRATING, UNKNOWN, …); our status follows when the
    server rests. One that was gone is back only then.
    """
    if vm.observed_status != server.status and not vm.lacks_server:
        VM.objects.filter(pk=vm.pk, observed_status=vm.observed_status).update(
            observed_status=server.status, observed_at=server.updated_at
        )


def miss(vm: VM, *, absent_since: datetime) -> None:
    """Note that a complete listing lacked the server; the second time it is proof."""
    if vm.missing_since is None:
        VM.objects.filter(pk=vm.pk, missing_since=None).update(
            missing_since=absent_since
        )
    elif vm.missing_since < absent_since:
        vanish(vm, seen_at=absent_since)


def vanish(vm: VM, *, seen_at: datetime) -> bool:
    """Show a VM whose server is gone as ERROR, unless an operation lives.

    Its quotas are given back: nothing is in the cloud, and only a delete is left.
    """
    with transaction.atomic():
        vm = VM.locked(vm.pk)
        if vm.lacks_server or not may_correct(vm, seen_at):
            return False
        problem = ServerVanished("The server was deleted outside this service.")
        held = held_by(vm)
        vm.follow(VMStatus.ERROR)
        vm.error = problem.document()
        vm.observed_status, vm.counted = GONE, False
        changes = vm.visible_changes()
        vm.save_changes()
        quotas.settle(vm.project_id, before=held, after=held_by(vm))
        events.record("vm.drifted", actor=SYSTEM, subject=vm, changes=changes)
    return True
