"""A client that openapi-python-client made of openapi.yaml lives a whole VM life."""

import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tests.support.deployed import ROOT
from tests.support.runserver import Served, migrate, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.once]

PACKAGE = "vm_manager_client"
WAIT = "wait=30"


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The package, which can be imported; nothing in the schema was left out of it."""
    folder = tmp_path_factory.mktemp("client")
    done = subprocess.run(  # noqa: S603  # our own command
        [
            str(Path(sys.executable).with_name("openapi-python-client")),
            "generate",
            f"--path={ROOT / 'openapi.yaml'}",
            f"--output-path={folder / PACKAGE}",
            "--meta=none",
            "--fail-on-warning",
        ],
        env={"PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield folder / PACKAGE
    sys.path.remove(str(folder))


@pytest.fixture(scope="module")
def models(generated: Path) -> Any:
    return import_module(f"{PACKAGE}.models")


def operation(id: str) -> Any:
    """Return the module of an operation: `vms_stop` has `sync` and `sync_detailed`."""
    tag = "api_tokens" if id.startswith("api_tokens") else id.partition("_")[0]
    return import_module(f"{PACKAGE}.api.{tag}.{id}")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    data = tmp_path_factory.mktemp("service")
    migrate(data)
    with serving(data) as served:
        served.listens()
        yield served


@pytest.fixture(scope="module")
def clients(generated: Path) -> Any:
    return import_module(f"{PACKAGE}.client")


@pytest.fixture(scope="module")
def client(clients: Any, models: Any, service: Served) -> Iterator[Any]:
    """A client that has logged in."""
    password = (service.log.parent / "admin_password").read_text()
    who = models.LogIn(username="admin", password=password)
    with clients.Client(base_url=service.url) as nobody:
        tokens = operation("auth_tokens_obtain").sync(client=nobody, body=who)
    assert isinstance(tokens, models.Tokens)
    known = clients.AuthenticatedClient(base_url=service.url, token=tokens.access)
    with known.with_timeout(60) as client:
        yield client


@pytest.fixture
def call(client: Any) -> Any:
    """Call an operation by its id and return what it answers."""

    def call(id: str, /, *path: Any, **arguments: Any) -> Any:
        return operation(id).sync(*path, client=client, **arguments)

    return call


def test_it_lives_the_life_of_a_vm(call: Any, client: Any, models: Any) -> None:
    assert call("auth_me").username == "admin"

    wanted = models.VMCreate(name="web", flavor="m1.small", image="ubuntu-22.04")
    created = operation("vms_create").sync_detailed(client=client, body=wanted)
    assert created.status_code == 202
    vm = created.parsed
    assert vm.status == models.VMStatus.BUILD

    done = call("operations_retrieve", vm.operation_id, prefer=WAIT)
    assert done.status == models.OperationStatus.SUCCEEDED
    assert done.target.id == vm.id

    statuses = [models.VMStatus.ACTIVE, models.VMStatus.SHUTOFF]
    by = models.VmsListOrderingItem
    order = [by.NAME, by.CREATED_AT_DESC]
    listed = call("vms_list", status=statuses, id=[vm.id], ordering=order)
    assert [row.id for row in listed.results] == [vm.id]
    assert listed.count == 1

    vm = call("vms_stop", vm.id, prefer=WAIT, if_match=f'"{listed.results[0].version}"')
    assert vm.status == models.VMStatus.SHUTOFF
    two = [vm.id, vm.operation_id]
    (listed_vm,) = call("vms_list", status=statuses, id=two).results
    assert listed_vm.observed_at >= vm.observed_at  # moves by itself
    listed_vm.observed_at = vm.observed_at
    assert listed_vm == vm

    bigger = models.Resize(flavor="m1.medium")
    vm = call("vms_resize", vm.id, body=bigger, prefer=WAIT)
    assert (vm.flavor, vm.status) == ("m1.medium", models.VMStatus.ACTIVE)

    named = models.SnapshotCreate(name="before")
    snapshot = call("vms_snapshots_create", vm.id, body=named, prefer=WAIT)
    assert snapshot.status == models.SnapshotStatus.AVAILABLE
    assert call("vms_snapshots_list", vm.id).results == [snapshot]

    gone = call("vms_delete", vm.id, prefer=WAIT)
    assert gone.status == models.VMStatus.DELETED
    assert gone.deleted_at is not None


@pytest.fixture
def vm(call: Any, models: Any) -> Any:
    wanted = models.VMCreate(name="db", flavor="m1.small", image="debian-12")
    return call("vms_create", body=wanted, prefer=WAIT)


def test_a_list_is_walked_by_cursor(call: Any, models: Any, vm: Any) -> None:
    # A default of `page` would come along, and exclude the cursor.
    first = call("vms_list", cursor="", per_page=1, include_deleted=True)
    assert first.results[0].name
    assert first.count is None


def test_errors_are_problems(call: Any, models: Any, vm: Any) -> None:
    refused = call("vms_start", vm.id)
    assert isinstance(refused, models.Problem)
    assert (refused.status, refused.code) == (409, "invalid-transition")
    assert "stop" in refused.allowed_actions

    stale = call("vms_update", vm.id, body=models.VMUpdate(name="x"), if_match='"0"')
    assert (stale.status, stale.code, stale.version) == (
        412,
        "precondition-failed",
        vm.version,
    )

    unknown = models.VMCreate(name="web", flavor="m9.huge", image="debian-12")
    invalid = call("vms_create", body=unknown)
    assert [row.pointer for row in invalid.errors] == ["#/flavor"]

    missing = call("vms_retrieve", vm.operation_id)
    assert (missing.status, missing.retryable) == (404, False)


def test_a_status_that_is_new_can_be_read(models: Any, vm: Any) -> None:
    newer = models.VM.from_dict(vm.to_dict() | {"status": "HIBERNATED"})
    assert newer.status == "HIBERNATED"


def test_nobody_is_let_in_by_a_wrong_token(clients: Any, service: Served) -> None:
    with clients.AuthenticatedClient(base_url=service.url, token="wrong") as stranger:
        refused = operation("vms_list").sync(client=stranger)
    assert (refused.status, refused.code) == (401, "unauthenticated")
