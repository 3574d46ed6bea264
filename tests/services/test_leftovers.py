"""What failed work left in the cloud is removed and told; all else is left alone."""

import uuid
from collections.abc import Callable

import pytest
import time_machine

from compute.models import VM, Event, Network, Project, Snapshot
from compute.services import snapshots, vms
from providers.contract.images import Image
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, observe
from tests.services.conftest import Play
from tests.support import invariants as ledger

MakeVM = Callable[..., VM]


def removed() -> list[tuple[str, str]]:
    events = Event.objects.filter(type="vm.leftover_removed").order_by("sequence")
    assert all(event.actor == "system" and event.request_id for event in events)
    return [(event.details["kind"], event.details["id"]) for event in events]


def seed_with_tag(cloud: MockCloud, tag: str) -> str:
    server = SeedServer(
        "second", "2", "0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061", tags=frozenset({tag})
    )
    return cloud.controls.seed([server])[0]


def put_image(cloud: MockCloud, vm: VM, tag: str) -> str:
    image = Image(
        id=str(uuid.uuid4()),
        name="half",
        status="queued",
        visibility="private",
        size_bytes=1,
        server_id=vm.server_id,
        tag=tag,
    )
    cloud.controls.put_image(image)
    return image.id


def test_a_server_that_shows_after_its_create_was_repeated_is_removed(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    play: Play,
    clock: time_machine.Traveller,
) -> None:
    # With a port of ours a second server cannot be: Nova makes the ports here.
    Network.objects.update(default=False)
    cloud.controls.inject("servers.create", kind="lose_response")
    cloud.controls.inject("servers.create", kind="hidden", delay=100)
    vm = vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.tiny", image="cirros"
    )
    play()
    vm.refresh_from_db()
    assert vm.status == "ACTIVE"
    clock.shift(200)
    (late,) = [s.id for s in cloud.servers.list_all() if s.id != vm.server_id]
    observe(full=True)
    observe()
    assert removed() == [("server", late)]
    ledger.check(cloud)


@pytest.mark.parametrize("full", [True, False])
def test_a_second_server_with_a_vms_tag_is_removed_once(
    make_vm: MakeVM, cloud: MockCloud, full: bool
) -> None:
    vm = make_vm()
    second = seed_with_tag(cloud, str(vm.pk))
    observe(full=full)
    observe(full=full)
    assert removed() == [("server", second)]
    ledger.check(cloud)


def test_a_server_of_a_deleted_vm_is_removed(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    vms.delete(vm, actor=ALICE)
    drain()
    late = seed_with_tag(cloud, str(vm.pk))
    observe()
    assert removed() == [("server", late)]
    ledger.check(cloud)


def test_servers_that_are_not_ours_are_left_alone(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    make_vm()
    theirs = {seed_with_tag(cloud, tag) for tag in (str(uuid.uuid4()), "web", "")}
    observe(full=True)
    observe(full=True)
    assert removed() == []
    assert theirs <= {server.id for server in cloud.servers.list_all()}


def test_nothing_is_removed_while_an_operation_lives(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    second = seed_with_tag(cloud, str(vm.pk))
    vms.act(vm, "stop", actor=ALICE)
    observe()
    assert removed() == []
    drain()
    observe()
    assert removed() == [("server", second)]


def test_the_port_of_a_second_server_is_removed_after_it(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    second = seed_with_tag(cloud, str(vm.pk))
    theirs = cloud.controls.leave_port(str(uuid.uuid4()))
    observe()
    port = cloud.controls.leave_port(second)
    observe(full=True)
    assert removed() == [("server", second), ("port", port)]
    others = [
        left
        for left in cloud.ports.list_all()
        if left.server_id not in ("", vm.server_id)
    ]
    assert [left.id for left in others] == [theirs]


def test_what_cannot_be_removed_now_is_removed_later(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    second = seed_with_tag(cloud, str(vm.pk))
    cloud.controls.inject("servers.delete", kind="fail", status=503)
    observe()
    assert removed() == []
    observe()
    assert removed() == [("server", second)]


@pytest.mark.parametrize("status", [403, 409])
def test_what_is_refused_keeps_nothing_else_from_being_removed(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, status: int
) -> None:
    vm, gone = make_vm(), make_vm()
    port = cloud.controls.leave_port(gone.server_id)
    vms.delete(gone, actor=ALICE)
    drain()
    locked = seed_with_tag(cloud, str(vm.pk))
    cloud.controls.inject("servers.delete", kind="fail", status=status)
    observe(full=True)
    assert removed() == [("port", port)]
    observe(full=True)
    assert removed() == [("port", port), ("server", locked)]


def test_the_image_of_a_snapshot_that_failed_is_removed(
    make_vm: MakeVM, cloud: MockCloud, play: Play
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="stuck")
    snapshot = snapshots.create(vm, actor=ALICE, name="nightly")
    play()
    snapshot.refresh_from_db()
    assert (snapshot.status, snapshot.operation.error["code"]) == (  # type: ignore[union-attr,index]  # it failed
        "ERROR",
        "openstack-timeout",
    )
    cloud.controls.poke(vm.server_id, status="ACTIVE")
    observe(full=True)
    assert removed() == [("image", snapshot.image_provider_id)]
    ledger.check_images(cloud)


def test_images_that_inherited_a_snapshots_tag_are_left_alone(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    """Nova hands an image's properties down, so a shelved server's image has our tag."""
    vm = make_vm()
    snapshot = snapshots.create(vm, actor=ALICE, name="nightly")
    drain()
    heir = put_image(cloud, vm, str(snapshot.pk))
    snapshots.delete(Snapshot.objects.get(), actor=ALICE)
    drain()
    observe(full=True)
    assert [image.id for image in cloud.images.list_snapshots()] == [heir]
    assert removed() == []


def test_the_image_of_a_snapshot_whose_answer_never_came_is_removed(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.snapshot", kind="fail", status=400)
    snapshot = snapshots.create(vm, actor=ALICE, name="nightly")
    drain()
    late = put_image(cloud, vm, str(snapshot.pk))
    observe(full=True)
    assert removed() == [("image", late)]


def test_a_port_without_its_server_is_removed(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm, other = make_vm(), make_vm()
    port = cloud.controls.leave_port(vm.server_id)
    theirs = cloud.controls.leave_port(str(uuid.uuid4()))
    observe(full=True)
    assert removed() == []
    vms.delete(vm, actor=ALICE)
    drain()
    observe(full=True)
    assert removed() == [("port", port)]
    assert {p.server_id for p in cloud.ports.list_all()} >= {other.server_id}
    assert theirs in {p.id for p in cloud.ports.list_all()}


def test_a_pass_costs_no_extra_call_where_nothing_is_left(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    make_vm()
    observe(full=True)
    cloud.controls.reset_counts()
    observe()
    assert cloud.controls.call_counts() == {"servers.list_all": 1}
    observe(full=True)
    assert cloud.controls.call_counts() == {
        "networks.list_all": 1,
        "subnets.list_all": 1,
        "routers.list_all": 1,
        "ports.list_all": 1,
        "floating_ips.list_all": 1,
        "security_groups.list_all": 1,
        "servers.list_all": 2,
        "images.list_snapshots": 1,
    }


def test_a_network_service_that_is_down_does_not_fail_the_pass(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    cloud.controls.inject("ports.list_all", kind="fail", status=503)
    cloud.controls.poke(vm.server_id, status="SHUTOFF")
    observe(full=True)
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"
