"""A worker is killed at every call it makes to a real cloud; another one finishes.

Nothing is done twice and nothing is left over: servers, images, ports.
"""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from compute.models import VM, CloudService, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    CALL_TIMEOUT,
    CLOUD,
    PATIENCE,
    MakeVM,
    MakeVMs,
    audit,
    work,
)
from tests.support.killable_workers import Nursery, nursery

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]

#: The calls of passes over each service; workers are killed at them during a create.
PASSES = {
    *("servers.list_all", "images.list_snapshots", "ports.list_all"),
    *("networks.list_all", "subnets.list_all", "routers.list_all"),
    *("security_groups.list_all", "floating_ips.list_all"),
}
#: Seconds for which the call of a killed worker is waited for. None of them is on its
#: way: a worker dies before it has sent it, or when it was answered.
ON_ITS_WAY = 1.0

#: Deaths of an operation's workers, one after the other. Those of one line have the
#: same way there: ``{when}`` is before and after; of who reads neither the cloud nor our
#: rows can tell which. Some calls come only after a death.
#: A VM takes one after the other: on a real cloud making one takes longest.
DEATHS = {
    "create": [
        "{when} servers.create",
        "after servers.list_all",
        "after servers.list_all 2",
        "after images.list_snapshots",
        "after ports.list_all",
        "after servers.create, after servers.find",
        "after servers.create, after servers.get",
        # By now the default network is known.
        "{when} ports.create",
        "after ports.get",
        "after ports.create, after ports.find",
    ],
    "resize": [
        "{when} servers.resize",
        "after servers.get",
        "{when} servers.confirm_resize",
        "{when} servers.start",
        "after servers.list_all",
        "before servers.resize, after servers.list_actions",
        "after servers.resize, after servers.confirm_resize, after servers.start",
    ],
    "reboot": [
        "{when} servers.reboot",
        "after servers.list_all",
        "after servers.get",
        "after servers.get_action",
        "after servers.reboot, after servers.list_actions",
    ],
    "snapshot": [
        "{when} servers.snapshot",
        "after servers.list_all",
        "after images.list_snapshots",
        "after servers.snapshot, after images.list_snapshots",
    ],
    "delete of a snapshot": ["{when} images.delete"],
    "delete": [
        "{when} servers.delete",
        "after servers.list_all",
        "after servers.delete, after servers.get",
        "before servers.delete, after servers.list_actions",
    ],
    # Who takes over finds the cloud still at it.
    "slow resize": ["after servers.confirm_resize, after servers.get_action"],
    "slow snapshot": ["after servers.snapshot, after servers.get"],
    "slow delete": [
        "after servers.delete, after servers.list_actions",
        "after servers.delete, after servers.get_action",
    ],
}


def deaths_of(operation: str) -> list[str]:
    """Return the deaths of an operation's workers, each way once."""
    lines = DEATHS[operation]
    deaths = [line.format(when=when) for line in lines for when in ("before", "after")]
    return list(dict.fromkeys(deaths))


def calls_of(operation: str) -> set[str]:
    """Return the calls at which a worker is killed, and those of passes."""
    lines = DEATHS[operation] + DEATHS.get(f"slow {operation}", [])
    deaths = ", ".join(lines).split(", ")
    return {death.split()[1] for death in deaths} | PASSES


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
            {
                "cloud": mortal,
                "call_timeout": ON_ITS_WAY,
                "patience": PATIENCE,
                "pause": 0.1,
            }
        )
        return code, set(trace.read_text().split())

    return run


#: Kill a worker at each of these calls, let another finish, compare both sides.
KillAndReplace = Callable[[str, str], None]


@pytest.fixture
def kill_and_replace(cloud: OpenStackCloud, worker: Worker) -> KillAndReplace:
    def run(operation: str, deaths: str) -> None:
        # Passes begin as on a new cloud, by listing everything.
        CloudService.objects.update(next_pass_at=None, full_observed_at=None)
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

    return run


def times(cloud: OpenStackCloud, vm: VM, action: str) -> int:
    return [a.action for a in cloud.servers.list_actions(vm.server_id)].count(action)


def test_create(
    catalogue: None,
    emptied: None,
    project: Project,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
) -> None:
    for deaths in deaths_of("create"):
        with subtests.test(deaths):
            name = f"web-{uuid4().hex[:8]}"
            vm = vms.create(
                project=project,
                actor=ALICE,
                name=name,
                flavor="m1.tiny",
                image="cirros",
            )
            kill_and_replace("create", deaths)
            vm.refresh_from_db()
            assert vm.status == "ACTIVE"
            # Not one that was made and removed again, either.
            changed = cloud.servers.list_all(changes_since=vm.created_at)
            assert [s.id for s in changed if s.name == name] == [vm.server_id]


def larger_and_larger(make_vm: MakeVM) -> Iterator[tuple[VM, str, int]]:
    """Yield a VM that is off, a flavor it can be resized to, and for which time."""
    while True:
        vm = make_vm()
        for time, flavor in enumerate(("m1.small", "m1.medium", "m1.large"), 1):
            vms.act(VM.objects.get(pk=vm.pk), "stop", actor=ALICE)
            work()
            yield VM.objects.get(pk=vm.pk), flavor, time


@pytest.mark.parametrize("pace", ["", "slow "])
def test_resize(
    request: pytest.FixtureRequest,
    make_vm: MakeVM,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
    pace: str,
) -> None:
    if pace:
        request.getfixturevalue("bench").fault("nova.confirm_migration", delay=3)
    sizes = larger_and_larger(make_vm)
    for deaths in deaths_of(f"{pace}resize"):
        with subtests.test(deaths):
            vm, flavor, time = next(sizes)
            vms.resize(vm, flavor=flavor, actor=ALICE)
            kill_and_replace("resize", deaths)
            vm.refresh_from_db()
            assert (vm.status, vm.flavor_name) == ("ACTIVE", flavor)
            for action in ("resize", "confirmResize", "start"):
                assert times(cloud, vm, action) == time


def test_reboot(
    make_vm: MakeVM,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
) -> None:
    vm = make_vm()
    for time, deaths in enumerate(deaths_of("reboot"), 1):
        with subtests.test(deaths):
            vms.reboot(VM.objects.get(), actor=ALICE)
            kill_and_replace("reboot", deaths)
            assert times(cloud, vm, "reboot") == time


@pytest.mark.parametrize("pace", ["", "slow "])
def test_snapshot(
    request: pytest.FixtureRequest,
    make_vm: MakeVM,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
    pace: str,
) -> None:
    vm = make_vm()
    if pace:
        request.getfixturevalue("bench").fault("nova.snapshot", delay=3)
    for time, deaths in enumerate(deaths_of(f"{pace}snapshot"), 1):
        with subtests.test(deaths):
            taken = snapshots.create(VM.objects.get(), actor=ALICE, name=f"nr-{time}")
            kill_and_replace("snapshot", deaths)
            taken.refresh_from_db()
            assert taken.status == "AVAILABLE"
            assert len(cloud.images.list_snapshots()) == time
            assert times(cloud, vm, "createImage") == time


def test_delete_of_a_snapshot(
    make_vm: MakeVM,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
) -> None:
    vm = make_vm()
    for deaths in deaths_of("delete of a snapshot"):
        with subtests.test(deaths):
            snapshot = snapshots.create(
                VM.objects.get(pk=vm.pk), actor=ALICE, name="before"
            )
            work()
            snapshots.delete(Snapshot.objects.get(pk=snapshot.pk), actor=ALICE)
            kill_and_replace("delete of a snapshot", deaths)
            snapshot.refresh_from_db()
            assert snapshot.status == "DELETED"
            assert cloud.images.list_snapshots() == []


@pytest.mark.parametrize("pace", ["", "slow "])
def test_delete(
    request: pytest.FixtureRequest,
    make_vms: MakeVMs,
    cloud: OpenStackCloud,
    kill_and_replace: KillAndReplace,
    subtests: pytest.Subtests,
    pace: str,
) -> None:
    ways = deaths_of(f"{pace}delete")
    doomed = make_vms(len(ways))
    if pace:
        request.getfixturevalue("bench").fault("nova.destroy", delay=3)
    for vm, deaths in zip(doomed, ways, strict=True):
        with subtests.test(deaths):
            vms.delete(vm, actor=ALICE)
            kill_and_replace("delete", deaths)
            vm.refresh_from_db()
            assert vm.status == "DELETED"
            assert vm.server_id not in {s.id for s in cloud.servers.list_all()}
            assert times(cloud, vm, "delete") == 1
