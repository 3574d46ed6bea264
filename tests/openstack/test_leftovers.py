"""What a real cloud keeps of work that failed is gone after one more full pass."""

import openstack
import pytest

from compute.engine import runner
from compute.models import Event, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, observe
from tests.openstack.conftest import (
    CLOUD,
    Bench,
    MakeVM,
    audit,
    ended,
    ports_of_servers,
    wait_until,
    work,
)

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)

BOOM = "Hypervisor on fire"


def removed() -> list[tuple[str, str]]:
    events = Event.objects.filter(type="vm.leftover_removed")
    return [(event.details["kind"], event.details["id"]) for event in events]


def test_the_port_of_a_build_that_failed_while_neutron_was_away(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
) -> None:
    """Nova answers 500 to the delete, having begun it: only a repetition ends it."""
    bench.fault("nova.spawn", error=BOOM, times=1)
    bench.fault("http.neutron", match="^DELETE .*ports/", status=503)
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    work()
    ended(vm, "ERROR", "openstack-error")
    assert [port.server_id for port in ports_of_servers(cloud)] == [vm.server_id]
    vms.delete(vm, actor=ALICE)
    runner.run(Operation.objects.live().get().pk)
    assert cloud.servers.get(vm.server_id).task_state == "deleting"
    bench.clear()
    work()
    ended(vm, "DELETED")
    audit(cloud)


def test_a_port_that_outlived_its_server(
    make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    (port,) = ports_of_servers(cloud)
    network = openstack.connect(cloud=CLOUD).network
    like = network.get(f"/ports/{port.id}").json()["port"]
    vms.delete(vm, actor=ALICE)
    work()
    body = {name: like[name] for name in ("network_id", "device_id", "device_owner")}
    left = network.post("/ports", json={"port": body}).json()["port"]
    assert [port.id for port in ports_of_servers(cloud)] == [left["id"]]
    observe(full=True)
    assert removed() == [("port", left["id"])]
    audit(cloud)


def test_the_image_of_a_snapshot_that_failed(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("nova.snapshot", error=BOOM)
    bench.fault("http.glance", match="^DELETE .*images/", status=503)
    snapshots.create(vm, actor=ALICE, name="before")
    work()
    operation = Operation.objects.latest("created_at")
    assert operation.status == "FAILED"
    assert operation.error is not None
    assert operation.error["code"] == "openstack-error"
    assert Snapshot.objects.get().status == "ERROR"
    (image,) = cloud.images.list_snapshots()
    assert image.status != "active"
    bench.clear()
    observe(full=True)
    assert removed() == [("image", image.id)]
    audit(cloud)


def test_the_image_of_a_snapshot_whose_host_died(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    """Nova has the server rest again when its host is back, and forgets the image."""
    vm = make_vm()
    bench.fault("nova.snapshot", delay=60)
    snapshots.create(vm, actor=ALICE, name="before")
    runner.run(Operation.objects.live().get().pk)
    wait_until(lambda: cloud.servers.get(vm.server_id).task_state == "image_snapshot")
    bench("kill", "nova-compute")
    bench("start", "nova-compute")
    work()
    assert Snapshot.objects.get().status == "ERROR"
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    (image,) = cloud.images.list_snapshots()
    observe(full=True)
    assert removed() == [("image", image.id)]
    audit(cloud)
