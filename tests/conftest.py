"""The cast of every test: the mock cloud, a project, and a way to get work done."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from compute import clouds, throttling
from compute.api.http import rows
from compute.engine import passes, runner, work
from compute.events import Actor
from compute.models import VM, CloudService, Operation, Project, VMStatus
from compute.services import catalog, network_pass, vms
from providers.mock import MockCloud
from tests.support.deployed import new_database, new_redis
from tests.support.serving import Ground, prepared

# Plain modules that assert: their failures should show values too.
pytest.register_assert_rewrite("tests.support.faults", "tests.support.invariants")

#: Fixtures by which a test gets the database; pytest-django keeps all others away from it.
DATABASE = {"db", "transactional_db", "live_server"}

ALICE = Actor("user:alice", request_id="req-8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # In random order, but what takes long begins first: at the end one process would be
    # at it alone.
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    # What knows no database, or brings its own, says the same on every one.
    for item in items:
        if item.get_closest_marker("django_db") or item.get_closest_marker("postgres"):
            continue
        assert isinstance(item, pytest.Function)
        if not DATABASE & set(item.fixturenames):
            item.add_marker(pytest.mark.once)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Let tests that commit clean up: Django empties every table by TRUNCATE then."""
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            trigger = "ALTER TABLE compute_event DISABLE TRIGGER {}"
            with connection.cursor() as cursor:
                cursor.execute(trigger.format("compute_event_no_truncate"))


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """Have no test wait for what another asked too often, or count its rows."""
    throttling.reset()
    rows.forget_counts()
    yield
    throttling.reset()
    rows.forget_counts()


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """What real servers need, beside the tests' own database."""
    folder = tmp_path_factory.mktemp("ground")
    with new_database() as database_url, new_redis(folder) as redis_url:
        yield prepared(folder, database_url=database_url, redis_url=redis_url)


@pytest.fixture
def actor() -> Actor:
    return ALICE


@pytest.fixture
def project(db: None) -> Project:
    """The default project, which migrate makes."""
    return Project.objects.default()


@pytest.fixture
def cloud(settings: Settings, tmp_path: Path) -> Iterator[MockCloud]:
    """A mock cloud of this test's own, without delays."""
    settings.PROVIDERS = {
        "default": {
            "BACKEND": "providers.mock.MockCloud",
            "OPTIONS": {"path": str(tmp_path / "cloud.sqlite3"), "delay": "0"},
        }
    }
    settings.OPERATION_RETRY_SECONDS = 0.01
    clouds.reset()
    cloud = clouds.get("default")
    assert isinstance(cloud, MockCloud)
    yield cloud
    cloud.close()
    clouds.reset()


@pytest.fixture
def other_cloud(
    cloud: MockCloud, settings: Settings, tmp_path: Path
) -> Iterator[MockCloud]:
    """A second cloud, by the alias other; the first is the default one."""
    default = settings.PROVIDERS["default"]
    options = {**default["OPTIONS"], "path": str(tmp_path / "other.sqlite3")}
    settings.PROVIDERS = {
        **settings.PROVIDERS,
        "other": {**default, "OPTIONS": options},
    }
    other = clouds.get("other")
    assert isinstance(other, MockCloud)
    yield other
    other.close()


@pytest.fixture
def catalogue(db: None, cloud: MockCloud) -> None:
    """The flavors, images and networks of the mock cloud."""
    catalog.refresh("default")
    list_networks("default")


def list_networks(alias: str) -> None:
    """Follow the networks of a cloud, as a pass does."""
    network_pass.follow(alias, network_pass.list_all(alias, timezone.now(), None))


Drain = Callable[[], None]


@pytest.fixture
def drain(cloud: MockCloud) -> Drain:
    """Do what workers and passes would, until no operation moves any more."""
    return drain_all


def drain_all(rounds: int = 60) -> None:
    """Run and observe until every operation has ended; fail when they do not."""
    for _ in range(rounds):
        now = timezone.now() + timedelta(hours=1)
        # What waits for a retry or a lease is due at once: tests do not sleep.
        Operation.objects.claimable(now).update(lease_until=timezone.now())
        for operation in Operation.objects.claimable(timezone.now()):
            runner.run(operation.pk)
        if not Operation.objects.live().exists():
            return
        observe()
    stuck = list(Operation.objects.live().values_list("type", "step", "call"))
    raise AssertionError(f"operations do not end: {stuck}")


def observe(*, full: bool = False) -> None:
    """Make a pass over every cloud now."""
    changes = {"next_pass_at": None, "pass_lease_until": None}
    if full:
        changes["full_observed_at"] = None
    due = (
        CloudService.objects.all()
        if full
        else CloudService.objects.filter(service="compute")
    )
    due.update(**changes)
    for alias in clouds.aliases():
        for service in work.services():
            passes.observe(alias, service)


def compute_service() -> CloudService:
    """Return what is known of Nova in the one cloud."""
    return CloudService.objects.get(service="compute")


@pytest.fixture
def make_vm(project: Project, catalogue: None, drain: Drain) -> Callable[..., VM]:
    """Make a VM that really exists in the mock cloud, in a wanted stable status."""

    def make(status: str = VMStatus.ACTIVE, **fields: object) -> VM:
        arguments: dict[str, object] = {
            "name": "web-server-01",
            "flavor": "m1.small",
            "image": "ubuntu-22.04",
            **fields,
        }
        vm = vms.create(project=project, actor=ALICE, **arguments)  # type: ignore[arg-type]  # keywords of create
        drain()
        move_vm(VM.objects.get(pk=vm.pk), status)
        vm.refresh_from_db()
        assert vm.status == status
        return vm

    return make


def move_vm(vm: VM, status: str) -> None:
    """Bring an ACTIVE VM, and its server, to a stable status."""
    if status == VMStatus.ERROR:
        cloud = clouds.get(vm.cloud)
        assert isinstance(cloud, MockCloud)
        cloud.controls.poke(vm.server_id, status="ERROR", fault="The host burned down.")
        observe()
    else:
        for step in _WAY_TO[status]:
            step(VM.objects.get(pk=vm.pk), actor=ALICE)
            drain_all()


_WAY_TO: dict[str, tuple[Callable[..., VM], ...]] = {
    VMStatus.ACTIVE: (),
    VMStatus.SHUTOFF: (partial(vms.act, method="stop"),),
    VMStatus.PAUSED: (partial(vms.act, method="pause"),),
    VMStatus.SUSPENDED: (partial(vms.act, method="suspend"),),
    VMStatus.SHELVED_OFFLOADED: (partial(vms.act, method="shelve"),),
    VMStatus.RESCUE: (partial(vms.act, method="rescue"),),
    VMStatus.DELETED: (vms.delete,),
}
