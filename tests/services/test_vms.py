"""What can be asked of a VM: what is written, who is told, what is refused."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from compute.errors import (
    ConsoleNotOffered,
    DeleteProtected,
    InvalidTransition,
    NotFound,
    OpenStackError,
    OpenStackUnavailable,
    PreconditionFailed,
    Problem,
)
from compute.events import Actor
from compute.expected import VersionIs
from compute.models import VM, Event, Flavor, Image, Operation, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.services.conftest import history, wrong
from tests.support import invariants as ledger
from tests.support.factories import ImageFactory, ProjectFactory
from tests.support.lifecycle import TABLE
from tests.support.service_verbs import VERBS

MakeVM = Callable[..., VM]
BOB = Actor("user:bob", request_id="req-bob")


def create(project: Project, **fields: Any) -> VM:
    values = {"flavor": "m1.small", "image": "ubuntu-22.04", "actor": ALICE, **fields}
    return vms.create(project=project, **{"name": "web", **values})


# Create


def test_a_vm_is_created_as_asked(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    vm = create(
        project,
        name="web-✨",
        description="The shop",
        labels={"env": "prod"},
        delete_protection=True,
        user_data="#cloud-config\n",
    )
    assert (vm.status, vm.version, vm.server_id) == ("BUILD", 1, "")
    assert (vm.vcpus, vm.ram_mb, vm.disk_gb) == (1, 2048, 20)
    assert vm.operation is not None
    assert vm.operation.requested_by == "user:alice"
    assert vm.operation.request_id == ALICE.request_id
    assert cloud.servers.list_all() == []  # asked, not done
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.observed_status, vm.error) == ("ACTIVE", "ACTIVE", None)
    (server,) = cloud.servers.list_all()
    assert (server.id, server.name) == (vm.server_id, "web-✨")
    assert server.tags == {str(vm.pk)}
    assert cloud.controls.user_data(server.id) == b"#cloud-config\n"
    assert [address["ip"] for address in vm.addresses]
    assert cloud.controls.logged_actions(ALICE.request_id) == ["create"]
    ledger.check(cloud)


def test_the_events_of_a_create_tell_it_all(
    catalogue: None, project: Project, drain: Drain
) -> None:
    vm = create(project)
    drain()
    *before, (type, actor, changes) = history(vm)
    assert before == [
        ("vm.created", "user:alice", {}),
        ("operation.finished", "system", {"status": "SUCCEEDED", "error": None}),
    ]
    assert (type, actor) == ("vm.updated", "system")
    assert changes["status"] == ["BUILD", "ACTIVE"]
    vm.refresh_from_db()
    assert changes["addresses"] == [[], vm.addresses]
    events = Event.objects.all()
    assert {event.request_id for event in events} == {ALICE.request_id}
    assert {event.operation_id for event in events} == {vm.operation_id}


@pytest.mark.parametrize("by", ["name", "id", "provider_id"])
def test_flavor_and_image_are_known_by_name_and_by_both_ids(
    catalogue: None, project: Project, by: str
) -> None:
    flavor = Flavor.objects.get(name="m1.large")
    image = Image.objects.get(name="debian-12")
    names = str(getattr(flavor, by)), str(getattr(image, by))
    vm = create(project, flavor=names[0], image=names[1], cloud="default")
    assert (vm.flavor, vm.image) == (flavor, image)
    assert (vm.flavor_name, vm.image_name) == names


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"flavor": "m9.none"}, ("#/flavor", "does_not_exist")),
        ({"image": "plan9"}, ("#/image", "does_not_exist")),
        ({"cloud": "moon"}, ("#/cloud", "does_not_exist")),
        ({"flavor": "m1.tiny", "image": "rocky-9"}, ("#/flavor", "too_small")),
    ],
)
def test_a_create_with_a_wrong_value_writes_nothing(
    catalogue: None,
    project: Project,
    fields: dict[str, str],
    expected: tuple[str, str],
) -> None:
    assert wrong(lambda: create(project, **fields)) == expected
    assert not VM.objects.exists()
    assert not Operation.objects.exists()
    assert not Event.objects.exists()


def test_an_ambiguous_name_is_refused(catalogue: None, project: Project) -> None:
    ImageFactory.create(name="debian-12")
    expected = ("#/image", "ambiguous")
    assert wrong(partial(create, project, image="debian-12")) == expected


def test_an_image_of_another_project_is_unknown(
    catalogue: None, project: Project
) -> None:
    other = ProjectFactory.create()
    ImageFactory.create(name="secret", project=other)
    ImageFactory.create(name="saving", status="saving")
    for image in ("secret", "saving"):
        expected = ("#/image", "does_not_exist")
        assert wrong(partial(create, project, image=image)) == expected


# Update


def test_an_update_changes_what_is_ours_and_says_what(make_vm: MakeVM) -> None:
    vm = make_vm(labels={"env": "test"})
    changed = vms.update(
        vm, actor=BOB, changes={"name": "db-1", "labels": {"env": "prod"}}
    )
    assert (changed.name, changed.labels) == ("db-1", {"env": "prod"})
    assert changed.version == vm.version + 1
    assert changed.updated_at > vm.updated_at
    event = Event.objects.about("vm", vm.pk).latest("sequence")
    assert (event.type, event.actor, event.request_id) == (
        "vm.updated",
        "user:bob",
        "req-bob",
    )
    assert event.changes == {
        "name": ["web-server-01", "db-1"],
        "labels": [{"env": "test"}, {"env": "prod"}],
    }


def test_an_update_to_what_is_already_so_changes_nothing(make_vm: MakeVM) -> None:
    vm = make_vm(description="same")
    before = Event.objects.count()
    again = vms.update(vm, actor=BOB, changes={"description": "same"})
    assert (again.version, again.updated_at) == (vm.version, vm.updated_at)
    assert Event.objects.count() == before


def test_a_busy_vm_can_be_renamed(make_vm: MakeVM, drain: Drain) -> None:
    vm = make_vm()
    vms.act(vm, "stop", actor=ALICE)
    vms.update(vm, actor=ALICE, changes={"name": "renamed"})
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.name) == ("SHUTOFF", "renamed")


def test_the_status_is_not_for_update(make_vm: MakeVM) -> None:
    with pytest.raises(ValueError, match="status"):
        vms.update(make_vm(), actor=ALICE, changes={"status": "DELETED"})


# Preconditions


@pytest.mark.parametrize("name", [*TABLE, "update"])
def test_an_unexpected_version_is_refused_before_all_else(
    make_vm: MakeVM, name: str
) -> None:
    vm = make_vm()
    old, version = VersionIs(vm.version + 1), vm.version
    before = (Operation.objects.count(), Event.objects.count())
    ask: Callable[..., Any] = (
        partial(vms.update, actor=ALICE, changes={})
        if name == "update"
        else VERBS[name]
    )
    with pytest.raises(PreconditionFailed) as caught:
        ask(vm, expect=old)
    assert caught.value.members == {"version": version}
    assert (Operation.objects.count(), Event.objects.count()) == before


def test_an_expected_version_passes_once(make_vm: MakeVM) -> None:
    vm = make_vm()
    expect = VersionIs(vm.version)
    vms.update(vm, actor=ALICE, changes={"name": "new"}, expect=expect)
    with pytest.raises(PreconditionFailed):
        vms.act(vm, "stop", actor=ALICE, expect=expect)


# Delete


def test_a_deleted_vm_is_marked_and_kept(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    vms.delete(vm, actor=ALICE)
    vm.refresh_from_db()
    assert (vm.status, vm.deleted_at) == ("DELETING", None)
    drain()
    vm.refresh_from_db()
    assert vm.status == "DELETED"
    assert vm.deleted_at is not None
    type, actor, changes = history(vm)[-1]
    assert (type, actor) == ("vm.deleted", "system")
    assert changes["status"] == ["DELETING", "DELETED"]
    assert cloud.servers.list_all() == []
    with pytest.raises(NotFound):
        vms.update(vm, actor=ALICE, changes={"name": "ghost"})
    ledger.check(cloud)


def test_a_protected_vm_is_not_deleted(make_vm: MakeVM, drain: Drain) -> None:
    vm = make_vm(delete_protection=True)
    before = (Operation.objects.count(), Event.objects.count())
    with pytest.raises(DeleteProtected):
        vms.delete(vm, actor=ALICE)
    assert (Operation.objects.count(), Event.objects.count()) == before
    assert "delete" not in vm.allowed_actions
    vms.update(vm, actor=ALICE, changes={"delete_protection": False})
    vms.delete(vm, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert vm.status == "DELETED"


def test_a_vm_whose_create_failed_is_deleted_without_a_server(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.inject("servers.create", kind="quota")
    vm = create(project)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.server_id) == ("ERROR", "")
    vms.delete(vm, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert (vm.status, vm.error) == ("DELETED", None)
    assert "servers.delete" not in cloud.controls.call_counts()


def test_a_server_that_is_already_gone_is_deleted_well(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain
) -> None:
    vm = make_vm()
    cloud.controls.vanish(vm.server_id)
    vms.delete(vm, actor=ALICE)
    drain()
    vm.refresh_from_db()
    assert vm.status == "DELETED"


# Console


def test_the_console_is_read_from_the_cloud(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    text = vms.console_log(vm, lines=3, actor=ALICE)
    assert len(text.splitlines()) == 3
    assert text == cloud.servers.get_console_log(vm.server_id, lines=3)


def test_a_vm_without_a_server_has_no_console(
    catalogue: None, project: Project, make_vm: MakeVM
) -> None:
    with pytest.raises(InvalidTransition):
        vms.console_log(create(project), lines=10, actor=ALICE)
    with pytest.raises(InvalidTransition):
        vms.console_log(make_vm("SHELVED_OFFLOADED"), lines=10, actor=ALICE)
    with pytest.raises(InvalidTransition):
        vms.remote_console(make_vm("SHELVED_OFFLOADED"), actor=ALICE)


def test_a_cloud_may_offer_no_remote_console(
    make_vm: MakeVM, cloud: MockCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    vm = make_vm()
    assert vms.remote_console(vm, actor=ALICE).type == "novnc"
    opened = Event.objects.get(type="vm.console-opened")
    assert (opened.actor, opened.subject_id) == (ALICE.name, vm.pk)
    assert "mock.invalid" not in str(opened.details)
    monkeypatch.setattr(cloud.world, "remote_consoles", False)
    with pytest.raises(ConsoleNotOffered):
        vms.remote_console(vm, actor=ALICE)


@pytest.mark.parametrize(
    ("status", "problem"), [(503, OpenStackUnavailable), (403, OpenStackError)]
)
def test_a_cloud_that_does_not_give_the_console_is_told(
    make_vm: MakeVM, cloud: MockCloud, status: int, problem: type[Problem]
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.get_console_log", kind="fail", status=status)
    with pytest.raises(problem) as caught:
        vms.console_log(vm, lines=10, actor=ALICE)
    assert caught.value.members["openstack"]["status"] == status


# Cost


def test_a_request_never_asks_the_cloud(make_vm: MakeVM, cloud: MockCloud) -> None:
    vm = make_vm()
    cloud.controls.reset_counts()
    vms.update(vm, actor=ALICE, changes={"name": "new"})
    vms.act(vm, "stop", actor=ALICE)
    assert cloud.controls.call_counts() == {}


def test_allowed_actions_of_a_list_cost_no_query(make_vm: MakeVM) -> None:
    for number in range(3):
        make_vm(name=f"web-{number}")
    with CaptureQueriesContext(connection) as queries:
        offered = [vm.allowed_actions for vm in VM.objects.with_operation()]
    assert len(offered) == 3
    assert len(queries) == 1
