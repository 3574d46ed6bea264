"""A worker is killed at every call it makes to a real cloud; another one finishes.

Nothing is done twice and nothing is left over: servers, images, ports.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from compute.models import VM, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    CALL_TIMEOUT,
    CLOUD,
    PATIENCE,
    Bench,
    MakeVM,
    audit,
    work,
)
from tests.support.killable_workers import Nursery, nursery

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

#: Deaths of an operation's workers, one after the other. Those of one line have the
#: same way there: ``{when}`` is before and after. Some calls come only after a death.
DEATHS = {
    "create": [
        "{when} servers.create",
        "{when} servers.list_all",
        "{when} servers.list_all 3",
        "{when} images.list_snapshots",
        "{when} networks.list_ports",
        "after servers.create, {when} servers.find",
        "after servers.create, {when} servers.get",
    ],
    "resize": [
        "{when} servers.resize",
        "{when} servers.get",
        "{when} servers.confirm_resize",
        "{when} servers.start",
        "{when} servers.list_all",
        "before servers.resize, {when} servers.list_actions",
        "after servers.resize, after servers.confirm_resize, after servers.start",
    ],
    "reboot": [
        "{when} servers.reboot",
        "{when} servers.list_all",
        "{when} servers.get",
        "{when} servers.get_action",
        "after servers.reboot, {when} servers.list_actions",
    ],
    "snapshot": [
        "{when} servers.snapshot",
        "{when} servers.list_all",
        "{when} images.list_snapshots",
        "after servers.snapshot, {when} images.list_snapshots",
    ],
    "delete of a snapshot": ["{when} images.delete"],
    "delete": [
        "{when} servers.delete",
        "{when} servers.list_all",
        "after servers.delete, {when} servers.get",
        "before servers.delete, {when} servers.list_actions",
    ],
    # Who takes over finds the cloud still at it.
    "slow resize": ["after servers.confirm_resize, {when} servers.get_action"],
    "slow snapshot": ["after servers.snapshot, {when} servers.get"],
    "slow delete": [
        "after servers.delete, {when} servers.list_actions",
        "after servers.delete, {when} servers.get_action",
    ],
}


def at_every_call_of(operation: str) -> pytest.MarkDecorator:
    deaths = [
        line.format(when=when)
        for line in DEATHS[operation]
        for when in ("before", "after")
    ]
    return pytest.mark.parametrize("deaths", list(dict.fromkeys(deaths)))


def calls_of(operation: str) -> set[str]:
    """Return the calls at which a worker is killed, and that of passes after the end."""
    lines = DEATHS[operation] + DEATHS.get(f"slow {operation}", [])
    deaths = ", ".join(lines).split(", ")
    return {death.split()[1] for death in deaths} | {"servers.list_all"}


@pytest.fixture(scope="module")
def workers(
    django_db_setup: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nursery]:
    with nursery(tmp_path_factory.mktemp("nursery")) as workers:
        yield workers


#: Have a worker do what there is to do; return its exit code and what it called.
Worker = Callable[[str], tuple[int, set[str]]]


@pytest.fixture
def worker(workers: Nursery, cloud: OpenStackCloud, tmp_path: Path) -> Worker:
    def run(die: str = "") -> tuple[int, set[str]]:
        trace = tmp_path / "calls"
        trace.write_text("")
        options = {"cloud": CLOUD, "timeout": str(CALL_TIMEOUT)}
        mortal = {
            "BACKEND": "tests.support.dying_driver.MortalCloud",
            "OPTIONS": {**options, "die": die, "trace": str(trace)},
        }
        code = workers.work(
            {"cloud": mortal, "call_timeout": 0.0, "patience": PATIENCE}
        )
        return code, set(trace.read_text().split())

    return run


def kill_and_replace(
    cloud: OpenStackCloud, worker: Worker, operation: str, deaths: str
) -> None:
    """Kill a worker at each of these calls, let another finish, compare both sides."""
    for die in deaths.split(", "):
        code, called = worker(die)
        assert code == -signal.SIGKILL
        assert Operation.objects.live().exists()
    code, finished = worker("")
    assert code == 0
    newest = Operation.objects.latest("created_at")
    assert (newest.status, newest.error) == ("SUCCEEDED", None)
    observe(full=True)
    audit(cloud)
    # No call of the engine is left out above.
    assert called | finished <= calls_of(operation)


def times(cloud: OpenStackCloud, vm: VM, action: str) -> int:
    return [a.action for a in cloud.servers.list_actions(vm.server_id)].count(action)


@at_every_call_of("create")
def test_create(
    catalogue: None,
    emptied: None,
    project: Project,
    cloud: OpenStackCloud,
    worker: Worker,
    deaths: str,
) -> None:
    name = f"web-{uuid4().hex[:8]}"
    vm = vms.create(
        project=project, actor=ALICE, name=name, flavor="m1.tiny", image="cirros"
    )
    kill_and_replace(cloud, worker, "create", deaths)
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    # Not one that was made and removed again, either.
    changed = cloud.servers.list_all(changes_since=vm.created_at)
    assert [s.id for s in changed if s.name == name] == [vm.server_id]


def resize_and_kill(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    work()
    vms.resize(VM.objects.get(), flavor="m1.small", actor=ALICE)
    kill_and_replace(cloud, worker, "resize", deaths)
    vm.refresh_from_db()
    assert (vm.status, vm.flavor_name) == ("ACTIVE", "m1.small")
    for action in ("resize", "confirmResize", "start"):
        assert times(cloud, vm, action) == 1


@at_every_call_of("resize")
def test_resize(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    resize_and_kill(make_vm, cloud, worker, deaths)


@at_every_call_of("slow resize")
def test_resize_that_takes_its_time(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    bench.fault("nova.confirm_migration", delay=3)
    resize_and_kill(make_vm, cloud, worker, deaths)


@at_every_call_of("reboot")
def test_reboot(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    vms.reboot(vm, actor=ALICE)
    kill_and_replace(cloud, worker, "reboot", deaths)
    assert times(cloud, vm, "reboot") == 1


@at_every_call_of("snapshot")
def test_snapshot(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    snapshots.create(vm, actor=ALICE, name="before")
    kill_and_replace(cloud, worker, "snapshot", deaths)
    assert Snapshot.objects.get().status == "AVAILABLE"
    assert len(cloud.images.list_snapshots()) == 1
    assert times(cloud, vm, "createImage") == 1


@at_every_call_of("slow snapshot")
def test_snapshot_that_takes_its_time(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    bench.fault("nova.snapshot", delay=3)
    snapshots.create(vm, actor=ALICE, name="before")
    kill_and_replace(cloud, worker, "snapshot", deaths)
    assert Snapshot.objects.get().status == "AVAILABLE"
    assert times(cloud, vm, "createImage") == 1


@at_every_call_of("delete of a snapshot")
def test_delete_of_a_snapshot(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    snapshot = snapshots.create(make_vm(), actor=ALICE, name="before")
    work()
    snapshots.delete(Snapshot.objects.get(), actor=ALICE)
    kill_and_replace(cloud, worker, "delete of a snapshot", deaths)
    snapshot.refresh_from_db()
    assert snapshot.status == "DELETED"
    assert cloud.images.list_snapshots() == []


@at_every_call_of("delete")
def test_delete(
    make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    vms.delete(vm, actor=ALICE)
    kill_and_replace(cloud, worker, "delete", deaths)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert cloud.servers.list_all() == []
    assert times(cloud, vm, "delete") == 1


@at_every_call_of("slow delete")
def test_delete_that_takes_its_time(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, worker: Worker, deaths: str
) -> None:
    vm = make_vm()
    bench.fault("nova.destroy", delay=3)
    vms.delete(vm, actor=ALICE)
    kill_and_replace(cloud, worker, "delete", deaths)
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert times(cloud, vm, "delete") == 1
