"""What a real Nova accepts and then does not do: it is told, and the VM shows the truth."""

import uuid
from collections.abc import Callable, Iterator

import openstack
import pytest
from django.test import Client
from openstack.connection import Connection

from compute.engine import runner
from compute.models import VM, Event, Operation, Project, Snapshot, User
from compute.services import catalog, snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    ADMIN_CLOUD,
    Bench,
    MakeVM,
    audit,
    ended,
    wait_until,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

BOOM = "Hypervisor on fire"


@pytest.fixture
def boundless(cloud: OpenStackCloud) -> Iterator[str]:
    """A flavor that no host can carry."""
    if not ADMIN_CLOUD:
        pytest.skip("OS_ADMIN_CLOUD names no cloud")
    admin: Connection = openstack.connect(cloud=ADMIN_CLOUD)
    flavor = {
        "name": f"boundless-{uuid.uuid4().hex[:8]}",
        "vcpus": 1,
        "ram": 512,
        "disk": 2_000_000_000,
    }
    made = admin.compute.post("/flavors", json={"flavor": flavor}).json()["flavor"]
    catalog.refresh("default")
    yield str(made["name"])
    admin.compute.delete(f"/flavors/{made['id']}")


def create(project: Project, flavor: str = "m1.tiny") -> VM:
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor=flavor, image="cirros"
    )
    work()
    return vm


# Builds


def test_a_build_that_fails_shows_novas_fault_everywhere(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
    client: Client,
) -> None:
    bench.fault("nova.spawn", error=BOOM, times=1)
    vm = create(project)
    error = ended(vm, "ERROR", "openstack-error")
    assert BOOM in error["detail"]
    assert BOOM in error["openstack"]["message"]
    assert vm.error == error
    event = Event.objects.about("vm", vm.pk).filter(type="operation.finished").get()
    assert BOOM in str(event.data)
    client.force_login(User.objects.create_superuser("operator"))
    page = client.get(f"/admin/compute/vm/{vm.pk}/change/")
    assert BOOM in page.content.decode()
    vms.delete(vm, actor=ALICE)
    work()
    observe(full=True)
    assert cloud.servers.list_all() == []
    audit(cloud)


def test_a_flavor_that_no_host_can_carry(
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
    boundless: str,
) -> None:
    vm = create(project, boundless)
    error = ended(vm, "ERROR", "openstack-error")
    assert "No valid host was found" in error["detail"]
    assert vm.allowed_actions == ("delete",)
    audit(cloud)


def test_a_create_is_cancelled_while_it_is_built(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
) -> None:
    bench.fault("nova.spawn", delay=4, times=1)
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    operation = Operation.objects.live().get()
    runner.run(operation.pk)
    wait_until(
        lambda: [s.task_state for s in cloud.servers.list_all()] == ["spawning"],
        every=0.1,
    )
    runner.cancel(Operation.objects.live().get(), actor=ALICE)
    work()
    operation.refresh_from_db()
    vm.refresh_from_db()
    assert (operation.status, vm.status) == ("CANCELLED", "DELETED")
    observe(full=True)
    assert cloud.servers.list_all() == []
    audit(cloud)


# Actions


Ask = Callable[[VM], object]


@pytest.mark.parametrize(
    ("part", "ask"),
    [
        ("power_off", lambda vm: vms.act(vm, "stop", actor=ALICE)),
        ("pause", lambda vm: vms.act(vm, "pause", actor=ALICE)),
        ("suspend", lambda vm: vms.act(vm, "suspend", actor=ALICE)),
    ],
    ids=["stop", "pause", "suspend"],
)
def test_an_action_that_was_accepted_and_not_done_has_failed(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, part: str, ask: Ask
) -> None:
    vm = make_vm()
    bench.fault(f"nova.{part}", error=BOOM)
    ask(vm)
    work()
    vm.refresh_from_db()
    error = ended(vm, vm.status, "openstack-error")
    assert error["openstack"]["request_id"].startswith("req-")
    # Where the server really is: some failures leave it as it was, some in ERROR.
    assert vm.status == cloud.servers.get(vm.server_id).status
    bench.clear()
    audit(cloud)


def test_a_resize_that_no_host_can_carry_leaves_the_vm_as_it_was(
    make_vm: MakeVM, cloud: OpenStackCloud, boundless: str
) -> None:
    vm = make_vm()
    vms.resize(vm, flavor=boundless, actor=ALICE)
    work()
    ended(vm, "ACTIVE", "openstack-error")
    assert (vm.flavor_name, vm.vcpus) == ("m1.tiny", 1)
    audit(cloud)


def test_a_delete_that_was_accepted_and_not_done_can_be_asked_for_again(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("nova.destroy", error=BOOM)
    vms.delete(vm, actor=ALICE)
    work()
    error = ended(vm, "ERROR", "openstack-error")
    assert BOOM in error["detail"]
    audit(cloud)
    bench.clear()
    vms.delete(vm, actor=ALICE)
    work()
    ended(vm, "DELETED")
    audit(cloud)


@pytest.mark.parametrize("part", ["migrate_disk_and_power_off", "finish_migration"])
def test_a_resize_that_breaks_on_its_way_shows_the_fault(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, part: str
) -> None:
    vm = make_vm()
    bench.fault(f"nova.{part}", error=BOOM)
    vms.resize(vm, flavor="m1.small", actor=ALICE)
    work()
    vm.refresh_from_db()
    error = ended(vm, vm.status, "openstack-error")
    assert vm.status == cloud.servers.get(vm.server_id).status
    assert BOOM in error["detail"] or vm.status == "ACTIVE"
    bench.clear()
    observe(full=True)
    audit(cloud)


def test_a_snapshot_whose_image_vanishes_has_failed(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("nova.snapshot", error=BOOM)
    snapshots.create(vm, actor=ALICE, name="before")
    work()
    snapshot = Snapshot.objects.get()
    assert snapshot.status == "ERROR"
    operation = Operation.objects.latest("created_at")
    assert operation.status == "FAILED"
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    observe(full=True)
    assert cloud.images.list_snapshots() == []
    audit(cloud)


def test_a_reboot_that_failed_in_silence_ends_where_the_server_is(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    """Nova itself records it as done while the guest runs: nobody can know better."""
    vm = make_vm()
    bench.fault("nova.reboot", error=BOOM)
    vms.reboot(vm, actor=ALICE)
    work()
    vm.refresh_from_db()
    assert vm.operation is not None
    assert vm.operation.status in {"SUCCEEDED", "FAILED"}
    assert vm.status == cloud.servers.get(vm.server_id).status == "ACTIVE"
    audit(cloud)
