"""What a real cloud, or the way to it, does wrong: how operations end, what is left.

Each ends with every operation ended, and with the cloud's inventory equal to ours.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import openstack
import pytest
from openstack.connection import Connection

from compute.engine import health, runner
from compute.models import VM, Event, Operation, Project, Snapshot
from compute.services import snapshots, vms
from providers.openstack import OpenStackCloud
from tests.conftest import ALICE, compute_service, observe
from tests.openstack.conftest import (
    CALL_TIMEOUT,
    CLOUD,
    Bench,
    MakeVM,
    audit,
    ended,
    wait_until,
    work,
)
from tests.support.lossy_proxy import Proxy

pytestmark = pytest.mark.django_db(transaction=True, serialized_rollback=True)


def ask_for_vm(project: Project, *, image: str = "cirros") -> VM:
    return vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image=image
    )


def times(cloud: OpenStackCloud, vm: VM, action: str) -> int:
    return [a.action for a in cloud.servers.list_actions(vm.server_id)].count(action)


# An answer is lost


def test_a_create_whose_answer_is_lost_is_done_once(
    proxy: Proxy,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
) -> None:
    proxy.lose(r"^POST \S*/servers ")
    vm = ask_for_vm(project)
    work()
    assert proxy.lost_all
    ended(vm, "ACTIVE")
    assert len(cloud.servers.list_all()) == 1
    audit(cloud)


Ask = Callable[[VM], object]


@pytest.mark.parametrize(
    ("ask", "pattern", "status", "action"),
    [
        (lambda vm: vms.act(vm, "stop", actor=ALICE), "os-stop", "SHUTOFF", "stop"),
        (lambda vm: vms.reboot(vm, actor=ALICE), '"reboot"', "ACTIVE", "reboot"),
        (
            lambda vm: vms.resize(vm, flavor="m1.small", actor=ALICE),
            '"resize"',
            "ACTIVE",
            "resize",
        ),
        (
            lambda vm: vms.resize(vm, flavor="m1.small", actor=ALICE),
            "confirmResize",
            "ACTIVE",
            "confirmResize",
        ),
        (lambda vm: vms.delete(vm, actor=ALICE), "^DELETE ", "DELETED", "delete"),
    ],
    ids=["stop", "reboot", "resize", "confirm", "delete"],
)
def test_an_action_whose_answer_is_lost_is_done_once(
    proxy: Proxy,
    make_vm: MakeVM,
    cloud: OpenStackCloud,
    ask: Ask,
    pattern: str,
    status: str,
    action: str,
) -> None:
    vm = make_vm()
    proxy.lose(pattern)
    ask(vm)
    work()
    assert proxy.lost_all
    ended(vm, status)
    assert times(cloud, vm, action) == 1
    audit(cloud)


def test_a_snapshot_whose_answer_is_lost_is_taken_once(
    proxy: Proxy, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    proxy.lose("createImage")
    snapshots.create(vm, actor=ALICE, name="before")
    work()
    assert proxy.lost_all
    assert Snapshot.objects.get().status == "AVAILABLE"
    assert times(cloud, vm, "createImage") == 1
    audit(cloud)


# A service fails, or is slow


@pytest.mark.parametrize("status", [500, 503])
def test_a_passing_failure_passes_unseen(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud, status: int
) -> None:
    vm = make_vm()
    bench.fault("http.nova", match="^POST .*action$", status=status, times=1)
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    bench.clear()
    bench.fault("http.nova", match="^DELETE ", status=status, times=1)
    vms.delete(vm, actor=ALICE)
    work()
    ended(vm, "DELETED")
    audit(cloud)


@pytest.mark.parametrize("status", [500, 503])
def test_a_create_that_fails_in_passing_makes_one_server(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
    status: int,
) -> None:
    bench.fault("http.nova", match="^POST .*servers$", status=status, times=2)
    vm = ask_for_vm(project)
    work()
    ended(vm, "ACTIVE")
    assert len(cloud.servers.list_all()) == 1
    audit(cloud)


def test_a_failure_that_lasts_is_told(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("http.nova", match="^POST .*action$", status=503, error="On fire")
    vms.act(vm, "stop", actor=ALICE)
    work()
    error = ended(vm, "ACTIVE", "openstack-unavailable")
    assert error["openstack"]["status"] == 503
    assert "On fire" in error["detail"]
    bench.clear()
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)


def test_a_request_that_hangs_and_is_carried_out_later_does_no_harm(
    bench: Bench,
    project: Project,
    catalogue: None,
    emptied: None,
    cloud: OpenStackCloud,
) -> None:
    """The server is made after everybody has given the request up and made another."""
    late = CALL_TIMEOUT + 8  # also for a service that is slow to ask again
    bench.fault("http.nova", match="^POST .*servers$", delay=late, times=1)
    vm = ask_for_vm(project)
    work()
    ended(vm, "ACTIVE")

    def alone() -> bool:
        observe(full=True)
        return Event.objects.filter(type="vm.leftover_removed").exists()

    wait_until(alone, every=1.0)
    wait_until(lambda: len(cloud.servers.list_all()) == 1)
    vm.refresh_from_db()
    assert cloud.servers.list_all()[0].id == vm.server_id
    audit(cloud)


def test_an_action_that_hangs_is_carried_out_once(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    late = CALL_TIMEOUT + 2
    bench.fault("http.nova", match="^POST .*action$", delay=late, times=1)
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    audit(cloud)


def test_a_listing_that_fails_or_hangs_proves_nothing(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    for fault in ({"status": 500}, {"delay": CALL_TIMEOUT + 2}):
        bench.fault("http.nova", match="^GET .*servers/detail$", times=2, **fault)
        before = compute_service().failures
        for _ in range(2):
            observe(full=True)
        assert compute_service().failures == before + 2
        assert compute_service().last_error
        bench.clear()
    vm.refresh_from_db()
    assert (vm.status, vm.missing_since) == ("ACTIVE", None)
    observe(full=True)
    assert compute_service().failures == 0
    audit(cloud)


def test_a_slow_listing_ends_operations_and_is_asked_for_less_often(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("http.nova", match="^GET .*servers/detail$", delay=2)
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")
    seconds = compute_service().pass_seconds
    assert seconds is not None
    assert seconds > 2
    assert health.live_interval(seconds) > seconds


def test_when_neutron_is_away_nothing_is_lost(
    bench: Bench,
    make_vm: MakeVM,
    project: Project,
    cloud: OpenStackCloud,
) -> None:
    there = make_vm()
    bench.fault("http.neutron", status=503)
    late = ask_for_vm(project)
    operation = Operation.objects.live().get()
    runner.run(operation.pk)
    failures = compute_service().failures
    for _ in range(2):
        observe(full=True)
    assert compute_service().failures == failures + 2
    there.refresh_from_db()
    assert (there.status, there.missing_since) == ("ACTIVE", None)
    assert Operation.objects.live().get() == operation
    bench.clear()
    work()
    ended(late, "ACTIVE")
    audit(cloud)


def test_when_glance_is_away_for_a_moment_a_snapshot_is_taken_all_the_same(
    bench: Bench, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    bench.fault("http.glance", status=503, times=2)
    snapshots.create(vm, actor=ALICE, name="before")
    work()
    assert Snapshot.objects.get().status == "AVAILABLE"
    audit(cloud)


# The cloud refuses


def test_a_locked_server_is_told_and_can_be_managed_once_unlocked(
    admin: Connection, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    path = f"/servers/{vm.server_id}/action"
    admin.compute.post(path, json={"lock": None})
    vms.act(vm, "stop", actor=ALICE)
    work()
    error = ended(vm, "ACTIVE", "openstack-error")
    assert error["openstack"]["status"] == 409
    assert "locked" in error["detail"]
    assert error["openstack"]["request_id"].startswith("req-")
    admin.compute.post(path, json={"unlock": None})
    vms.act(vm, "stop", actor=ALICE)
    work()
    ended(vm, "SHUTOFF")


@contextmanager
def quota(admin: Connection, name: str, limit: int) -> Iterator[None]:
    """Set a quota of our project for a while."""
    path = f"/os-quota-sets/{openstack.connect(cloud=CLOUD).current_project_id}"
    before = admin.compute.get(path).json()["quota_set"][name]
    admin.compute.put(path, json={"quota_set": {name: limit}})
    try:
        yield
    finally:
        admin.compute.put(path, json={"quota_set": {name: before}})


def test_a_quota_of_the_cloud_is_told(
    admin: Connection, project: Project, catalogue: None, cloud: OpenStackCloud
) -> None:
    with quota(admin, "instances", 0):
        vm = ask_for_vm(project)
        work()
    error = ended(vm, "ERROR", "resource-limit-exceeded")
    assert "Quota exceeded for instances" in error["detail"]
    assert cloud.servers.list_all() == []
    vms.delete(vm, actor=ALICE)
    work()
    ended(vm, "DELETED")
    audit(cloud)


def test_a_quota_that_refuses_a_resize_leaves_the_vm_as_it_was(
    admin: Connection, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    vm = make_vm()
    with quota(admin, "cores", 1):
        vms.resize(vm, flavor="m1.medium", actor=ALICE)
        work()
    error = ended(vm, "ACTIVE", "resource-limit-exceeded")
    assert "Quota exceeded for cores" in error["detail"]
    assert vm.flavor_name == "m1.tiny"
    vms.resize(vm, flavor="m1.medium", actor=ALICE)
    work()
    ended(vm, "ACTIVE")
    audit(cloud)


def test_an_image_that_is_gone_by_then_is_told(
    project: Project, make_vm: MakeVM, cloud: OpenStackCloud
) -> None:
    snapshots.create(make_vm(), actor=ALICE, name="golden")
    work()
    image = Snapshot.objects.get().image_provider_id
    vm = ask_for_vm(project, image="golden")
    cloud.images.delete(image, request_id=ALICE.request_id)
    work()
    error = ended(vm, "ERROR", "openstack-refused")
    assert error["openstack"]["status"] == 400
    assert "image" in error["detail"]
