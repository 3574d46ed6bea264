"""The service over a real OpenStack: the cloud that OS_CLOUD names in clouds.yaml.

Not collected without it. OS_ADMIN_CLOUD names an operator's credentials for the same cloud;
OPENSTACK_BENCH is a command that can break that cloud on purpose (``fault add OP
key=value…``, ``fault clear``, ``kill NAME``, ``start NAME``, ``stop NAME``, ``up``). What needs them is
skipped where they are missing. The project should have no other servers.
"""

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import yaml
from django.utils import timezone
from openstack.config import OpenStackConfig
from openstack.connection import Connection
from pytest_django import Settings

from compute import clouds
from compute.engine import passes, runner
from compute.models import VM, CloudService, Operation, Project
from compute.services import catalog, vms
from providers.contract.ports import Port
from providers.errors import NotFound
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE
from tests.support import invariants as ledger
from tests.support.lossy_proxy import Proxy

HERE = Path(__file__).parent
CLOUD = os.environ.get("OS_CLOUD", "")
ADMIN_CLOUD = os.environ.get("OS_ADMIN_CLOUD", "")
BENCH = shlex.split(os.environ.get("OPENSTACK_BENCH", ""))
#: Seconds a call may take here: what a killed worker sent is waited for so long.
CALL_TIMEOUT = 6
#: Seconds until everything asked of the cloud must have ended.
PATIENCE = 120.0

collect_ignore_glob = [] if CLOUD else ["test_*.py"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.openstack)
            # One cloud, whose faults hit whoever is there: one process.
            item.add_marker(pytest.mark.xdist_group("openstack"))


class Bench:
    """The hands that break the cloud."""

    def __call__(self, *words: str) -> None:
        command = [*BENCH, *words]
        try:
            # It has limits of its own, and is no good when it is cut off at its work.
            subprocess.run(command, check=True, timeout=600, capture_output=True)  # noqa: S603  # the tester's own command
        except subprocess.CalledProcessError as error:
            error.add_note(error.stderr.decode(errors="replace"))
            raise

    def can(self, *words: str) -> bool:
        """Try something that not every bench can do."""
        try:
            self(*words)
        except subprocess.CalledProcessError:
            return False
        return True

    def fault(self, operation: str, **options: object) -> None:
        """Have ``operation`` of the cloud misbehave."""
        self("fault", "add", operation, *(f"{k}={v}" for k, v in options.items()))

    def clear(self) -> None:
        self("fault", "clear")


@pytest.fixture
def bench() -> Iterator[Bench]:
    if not BENCH:
        pytest.skip("OPENSTACK_BENCH names no command")
    bench = Bench()
    yield bench
    bench.clear()


@pytest.fixture
def cloud(settings: Settings) -> Iterator[OpenStackCloud]:
    """The real cloud as the default one, emptied of what the test made."""
    settings.PROVIDERS = {
        "default": {
            "BACKEND": "providers.openstack.OpenStackCloud",
            "OPTIONS": {"cloud": CLOUD, "timeout": str(CALL_TIMEOUT)},
        }
    }
    settings.OPERATION_RETRY_SECONDS = 0.2
    settings.OPERATION_LEASE_SECONDS = 2.0
    clouds.reset()
    cloud = clouds.get("default")
    assert isinstance(cloud, OpenStackCloud)
    yield cloud
    clouds.reset()


@pytest.fixture
def admin() -> Connection:
    if not ADMIN_CLOUD:
        pytest.skip("OS_ADMIN_CLOUD names no cloud")
    return openstack.connect(cloud=ADMIN_CLOUD)


@pytest.fixture
def proxy(
    cloud: OpenStackCloud,
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Proxy]:
    """A proxy between the service and the cloud's Nova; ``cloud`` goes past it."""
    connection = openstack.connect(cloud=CLOUD)
    proxy = Proxy(str(connection.compute.get_endpoint()))
    others = dict(OpenStackConfig().cloud_config["clouds"])
    others.pop(
        "envvars", None
    )  # what OS_… of the environment say is no cloud of a file
    proxied = {**others[CLOUD], "compute_endpoint_override": proxy.url}
    path = tmp_path / "clouds.yaml"
    path.write_text(yaml.safe_dump({"clouds": {**others, "proxied": proxied}}))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(path))
    settings.PROVIDERS["default"]["OPTIONS"]["cloud"] = "proxied"
    clouds.reset()
    yield proxy
    proxy.close()


def patience(settings: Settings, seconds: int) -> None:
    """Have the service wait so long for an answer of the cloud from here on."""
    settings.PROVIDERS["default"]["OPTIONS"]["timeout"] = str(seconds)
    clouds.reset()


@pytest.fixture
def emptied(cloud: OpenStackCloud) -> Iterator[None]:
    """Remove every server and snapshot of the project afterwards."""
    yield
    if BENCH:
        Bench().clear()
    empty(cloud)


def empty(cloud: OpenStackCloud) -> None:
    request_id = ALICE.request_id
    for server in cloud.servers.list_all():
        try:
            cloud.servers.delete(server.id, request_id=request_id)
        except NotFound:
            continue
    for image in cloud.images.list_snapshots():
        cloud.images.delete(image.id, request_id=request_id)
    wait_until(lambda: not cloud.servers.list_all())
    empty_networks(cloud)


def empty_networks(cloud: OpenStackCloud) -> None:
    """Remove what carries a marker of ours, in an order that works."""
    _delete_marked(cloud.floating_ips)
    ours = {router.id for router in cloud.routers.list_all() if router.marker}
    for port in cloud.ports.list_all():
        for ip in port.fixed_ips if port.router_id in ours else ():
            cloud.routers.detach_subnet(
                port.router_id, ip.subnet_id, request_id=ALICE.request_id
            )
    for service in (
        *(cloud.ports, cloud.routers),
        *(cloud.networks, cloud.security_groups),
    ):
        _delete_marked(service)


def _delete_marked(service: Any) -> None:
    for thing in service.list_all():
        if thing.marker:
            service.delete(thing.id, request_id=ALICE.request_id)


def wait_until(
    predicate: Callable[[], bool], *, seconds: float = PATIENCE, every: float = 0.2
) -> None:
    give_up = time.monotonic() + seconds
    while not predicate():
        assert time.monotonic() < give_up, "not in time"
        time.sleep(every)


@pytest.fixture
def project(db: None) -> Project:
    return Project.objects.default()


@pytest.fixture
def catalogue(db: None, cloud: OpenStackCloud) -> None:
    catalog.refresh("default")


def work(seconds: float = PATIENCE) -> None:
    """Do what workers and the beat do, in real time, until every operation has ended."""

    def ended() -> bool:
        runner.sweep()
        for operation in Operation.objects.claimable(timezone.now()):
            runner.run(operation.pk)
        if not Operation.objects.live().exists():
            return True
        CloudService.objects.update(next_pass_at=None)
        passes.observe("default", "compute")
        return False

    try:
        wait_until(ended, seconds=seconds)
    except AssertionError as error:
        live = Operation.objects.live()
        stuck = list(live.values_list("type", "call", "step", "failures"))
        error.add_note(f"operations do not end: {stuck}")
        raise


MakeVM = Callable[..., VM]
#: Make so many VMs at once.
MakeVMs = Callable[[int], list[VM]]


@pytest.fixture
def make_vms(project: Project, catalogue: None, emptied: None) -> MakeVMs:
    def make(count: int) -> list[VM]:
        return _make(project, [f"real-{number}" for number in range(count)])

    return make


@pytest.fixture
def make_vm(project: Project, catalogue: None, emptied: None) -> MakeVM:
    """Make a VM on the real cloud and wait for it."""

    def make(name: str = "real", **fields: object) -> VM:
        (vm,) = _make(project, [name], **fields)
        return vm

    return make


def _make(project: Project, names: list[str], **fields: object) -> list[VM]:
    arguments: dict[str, Any] = {"flavor": "m1.tiny", "image": "cirros", **fields}
    made = [
        vms.create(project=project, actor=ALICE, name=name, **arguments)
        for name in names
    ]
    work()
    for vm in made:
        vm.refresh_from_db()
        assert vm.status == "ACTIVE"
    return made


def ports_of_servers(cloud: OpenStackCloud) -> list[Port]:
    """Return the ports of servers; a project may have a router with others."""
    return [port for port in cloud.ports.list_all() if port.server_id]


def audit(cloud: OpenStackCloud) -> None:
    """Assert that the cloud has what we say and nothing more: servers, images, ports."""
    ledger.check(cloud)
    servers = {server.id for server in cloud.servers.list_all()}

    def no_port_is_left() -> bool:
        return {port.server_id for port in ports_of_servers(cloud)} <= servers

    # A delete that overtakes the build takes the server out of the listing at once;
    # its host, when it comes to build, undoes the port it has begun (0.7 s seen).
    wait_until(no_port_is_left, seconds=30)


def ended(vm: VM, status: str, code: str | None = None) -> dict[str, Any]:
    """Assert where a VM rests and how its newest operation ended; return its error."""
    vm.refresh_from_db()
    assert vm.operation is not None
    error: dict[str, Any] = vm.operation.error or {}
    assert (vm.status, error.get("code")) == (status, code), error
    return error
