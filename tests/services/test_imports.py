"""Servers that exist in the cloud and not here are adopted, once, and say why if not."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from compute import clouds
from compute.models import VM, Event, Project
from compute.services import vms
from compute.services.vms import imports
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, observe
from tests.support.factories import ProjectFactory

MakeVM = Callable[..., VM]
CIRROS = "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061"
BORN = datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC)


def seed(cloud: MockCloud, name: str = "old-web", **fields: object) -> str:
    facts: dict[str, object] = {"flavor_id": "2", "image_id": CIRROS, **fields}
    return cloud.controls.seed([SeedServer(name, **facts)])[0]  # type: ignore[arg-type]  # fields of SeedServer


def told(project: Project, *, dry_run: bool = False) -> dict[str, str]:
    """Import and return each server's name with why it was skipped."""
    found = imports.import_servers("default", project, dry_run=dry_run)
    return {imported.server.name: imported.skipped for imported in found}


@pytest.mark.parametrize(
    "status",
    [
        "ACTIVE",
        "SHUTOFF",
        "PAUSED",
        "SUSPENDED",
        "SHELVED_OFFLOADED",
        "RESCUE",
        "ERROR",
    ],
)
def test_a_server_becomes_a_vm_as_it_is(
    project: Project, cloud: MockCloud, status: str
) -> None:
    server_id = seed(cloud, status=status, created_at=BORN, fault="It burned.")
    assert told(project) == {"old-web": ""}
    vm = VM.objects.get()
    assert (vm.name, vm.status, vm.server_id) == ("old-web", status, server_id)
    assert (vm.observed_status, vm.cloud, vm.project) == (status, "default", project)
    assert (vm.flavor_name, vm.vcpus, vm.ram_mb) == ("m1.small", 1, 2048)
    assert vm.flavor is not None
    assert vm.image is not None
    assert vm.image.name == vm.image_name == "cirros"
    assert vm.created_at == BORN
    assert bool(vm.error) == (status == "ERROR")
    event = Event.objects.get(type="vm.imported")
    assert (event.subject_id, event.details) == (vm.pk, {"server_id": server_id})


def test_a_server_of_a_cloud_whose_clock_is_ahead_was_created_by_now(
    settings: Settings, project: Project, cloud: MockCloud
) -> None:
    seed(cloud, created_at=timezone.now() + timedelta(minutes=59))
    ahead = {"clock": lambda: timezone.now() + timedelta(hours=1)}
    settings.PROVIDERS["default"]["OPTIONS"] |= ahead
    clouds.reset()
    assert told(project) == {"old-web": ""}
    vm = VM.objects.get()
    assert vm.created_at <= vm.updated_at <= timezone.now()


def test_an_imported_vm_is_like_any_other(
    project: Project, cloud: MockCloud, drain: Drain
) -> None:
    seed(cloud)
    told(project)
    observe(full=True)
    observe()
    vm = VM.objects.get()
    assert vm.version == 2
    (found,) = Event.objects.exclude(type="vm.imported")
    assert found.changes.keys() == {"networks", "security_groups"}
    vms.act(vm, "stop", actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
    vms.delete(vm, actor=ALICE)
    drain()
    assert cloud.servers.list_all() == []


def test_a_second_import_changes_nothing(project: Project, cloud: MockCloud) -> None:
    seed(cloud)
    told(project)
    vm = VM.objects.get()
    other = ProjectFactory.create()
    assert told(other) == {"old-web": f"VM {vm.pk} of project default has it"}
    assert Event.objects.count() == 1


def test_a_dry_run_says_the_same_and_writes_nothing(
    project: Project, cloud: MockCloud
) -> None:
    seed(cloud)
    seed(cloud, "moving", status="BUILD")
    first = told(project, dry_run=True)
    assert not VM.objects.exists()
    assert not Event.objects.exists()
    assert told(project) == first


def test_what_is_not_adopted_says_why(
    make_vm: MakeVM, project: Project, cloud: MockCloud
) -> None:
    vm = make_vm(name="ours")
    seed(cloud, "second", tags=frozenset({str(vm.pk)}))
    seed(cloud, "tagged-by-others", tags=frozenset({str(uuid.uuid4()), "blue"}))
    seed(cloud, "building", status="BUILD")
    seed(cloud, "resized", status="VERIFY_RESIZE")
    moving = seed(cloud, "moving")
    cloud.controls.poke(moving, task_state="powering-off")
    seed(cloud, " spaced")
    seed(cloud, "gone", status="DELETED")
    assert told(project) == {
        "ours": f"VM {vm.pk} of project default has it",
        "second": f"it was made for VM {vm.pk}",
        "tagged-by-others": "",
        "building": "it is not at rest (BUILD)",
        "resized": "it is not at rest (VERIFY_RESIZE)",
        "moving": "it is not at rest (ACTIVE, powering-off)",
        " spaced": "its name is not valid for a VM: Must not begin or end with a space.",
    }


def test_a_flavor_and_an_image_that_are_gone_are_kept_by_name(
    project: Project, cloud: MockCloud
) -> None:
    seed(cloud)
    cloud.controls.remove_flavor("2")
    cloud.controls.remove_image(CIRROS)
    assert told(project) == {"old-web": ""}
    vm = VM.objects.get()
    assert (vm.flavor, vm.flavor_name, vm.ram_mb) == (None, "m1.small", 2048)
    assert (vm.image, vm.image_name) == (None, CIRROS)


def test_a_cloud_that_cannot_be_read_adopts_nothing(
    project: Project, cloud: MockCloud
) -> None:
    seed(cloud)
    cloud.controls.inject("servers.list_all", kind="truncate")
    with pytest.raises(imports.CannotImportError, match="default cannot be read"):
        told(project)
    assert not VM.objects.exists()


def test_many_servers_cost_no_query_each_but_their_writes(
    project: Project, cloud: MockCloud
) -> None:
    cloud.controls.seed([SeedServer(f"old-{n}", "2", CIRROS) for n in range(1200)])
    told(project)
    assert VM.objects.count() == 1200
    with CaptureQueriesContext(connection) as queries:
        told(project)
    assert len(queries) < 40


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor != "postgresql", reason="needs PostgreSQL")
@pytest.mark.django_db(transaction=True, serialized_rollback=True)
def test_two_imports_at_once_adopt_each_server_once(
    project: Project, cloud: MockCloud
) -> None:
    cloud.controls.seed([SeedServer(f"old-{n}", "2", CIRROS) for n in range(40)])
    start = Barrier(4)

    def run(_: int) -> int:
        start.wait()
        try:
            return list(told(project).values()).count("")
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        adopted = list(pool.map(run, range(4)))
    assert sum(adopted) == VM.objects.count() == 40
    assert Event.objects.filter(type="vm.imported").count() == 40
