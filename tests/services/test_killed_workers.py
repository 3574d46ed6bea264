"""A worker is killed at every call it makes to the cloud; another one finishes.

Nothing is done twice and nothing is left over.
"""

from collections.abc import Callable

import pytest

from compute.models import VM, Project, Snapshot
from compute.services import keypairs, snapshots, vms
from providers.mock import MockCloud
from tests.conftest import ALICE, observe
from tests.services.conftest import (
    KILLED,
    Kind,
    Worker,
    ask_for_vm,
    at_every_call,
    kill_and_replace,
)

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

MakeVM = Callable[..., VM]


@at_every_call
@pytest.mark.parametrize("op", ["servers.create", "servers.list_all"])
def test_create(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = ask_for_vm(project)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert len(cloud.servers.list_all()) == 1


@at_every_call
@pytest.mark.parametrize(
    "op", ["keypairs.create", "servers.create", "keypairs.delete", "servers.list_all"]
)
def test_create_with_a_key(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    keypairs.create(project=project, actor=ALICE, name="alice")
    vm = vms.create(
        project=project,
        actor=ALICE,
        name="web",
        flavor="m1.tiny",
        image="cirros",
        keypair="alice",
    )
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert cloud.servers.get(vm.server_id).key_name
    observe(full=True)
    assert cloud.keypairs.list_all() == []


@at_every_call
@pytest.mark.parametrize("op", ["servers.find", "servers.get"])
def test_create_taken_over_by_a_worker_that_is_killed_too(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    worker: Worker,
    op: str,
    kind: Kind,
) -> None:
    vm = ask_for_vm(project)
    cloud.controls.inject("servers.create", kind="die_after")
    assert worker() == KILLED
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    assert cloud.controls.call_counts()["servers.create"] == 1


@at_every_call
@pytest.mark.parametrize(
    "op",
    [
        "servers.resize",
        "servers.get",
        "servers.confirm_resize",
        "servers.start",
        "servers.list_all",
    ],
)
def test_resize(
    make_vm: MakeVM, cloud: MockCloud, worker: Worker, op: str, kind: Kind
) -> None:
    vm = make_vm("SHUTOFF")
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert (vm.status, vm.flavor_name) == ("ACTIVE", "m1.medium")


@at_every_call
@pytest.mark.parametrize(
    "op", ["servers.snapshot", "servers.list_all", "images.list_snapshots"]
)
def test_snapshot(
    make_vm: MakeVM, cloud: MockCloud, worker: Worker, op: str, kind: Kind
) -> None:
    snapshots.create(make_vm(), actor=ALICE, name="before")
    kill_and_replace(cloud, worker, op, kind)
    assert Snapshot.objects.get().status == "AVAILABLE"
    assert len(cloud.images.list_snapshots()) == 1


@at_every_call
def test_delete_of_a_snapshot(
    make_vm: MakeVM,
    cloud: MockCloud,
    drain: Callable[[], None],
    worker: Worker,
    kind: Kind,
) -> None:
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    drain()
    snapshots.delete(snapshot, actor=ALICE)
    kill_and_replace(cloud, worker, "images.delete", kind)
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    assert cloud.images.list_snapshots() == []


@at_every_call
@pytest.mark.parametrize("op", ["servers.delete", "servers.list_all"])
def test_delete(
    make_vm: MakeVM, cloud: MockCloud, worker: Worker, op: str, kind: Kind
) -> None:
    vm = make_vm()
    vms.delete(vm, actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert cloud.servers.list_all() == []


@at_every_call
@pytest.mark.parametrize("op", ["servers.reboot", "servers.get_action"])
def test_reboot_is_done_once(
    make_vm: MakeVM, cloud: MockCloud, worker: Worker, op: str, kind: Kind
) -> None:
    vm = make_vm()
    vms.reboot(vm, actor=ALICE)
    kill_and_replace(cloud, worker, op, kind)
    rebooted = [
        a for a in cloud.servers.list_actions(vm.server_id) if a.action == "reboot"
    ]
    assert len(rebooted) == 1
