"""User data is kept for as long as a create needs it, and no longer."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from compute.engine import runner
from compute.models import VM, Operation, Project, Quota
from compute.models.quota import in_use
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain
from tests.support.factories import VMFactory

MakeVM = Callable[..., VM]
SECRET = "#cloud-config\npassword: Kanarienvogel-4711\n"


def ask(project: Project) -> VM:
    return vms.create(
        project=project,
        actor=ALICE,
        name="web",
        flavor="m1.small",
        image="cirros",
        user_data=SECRET,
    )


def kept() -> list[str]:
    return list(VM.objects.values_list("user_data", flat=True))


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "fail", "status": 503, "times": 2},
        {"kind": "lose_response"},
    ],
    ids=["at once", "refused", "lost"],
)
def test_a_create_that_succeeds_hands_it_over_and_forgets_it(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    fault: dict[str, Any],
) -> None:
    if fault:
        cloud.controls.inject("servers.create", **fault)
    ask(project)
    assert kept() == [SECRET]
    drain()
    vm = VM.objects.get()
    assert vm.status == "ACTIVE"
    assert cloud.controls.user_data(vm.server_id) == SECRET.encode()
    assert kept() == [""]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "fail", "status": 400},
        {"kind": "build_error"},
        {"kind": "refuse", "times": 0},
    ],
    ids=["refused", "not built", "unreachable"],
)
def test_a_create_that_fails_forgets_it(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    drain: Drain,
    fault: dict[str, Any],
) -> None:
    cloud.controls.inject("servers.create", **fault)
    ask(project)
    drain()
    assert VM.objects.get().status == "ERROR"
    assert kept() == [""]


@pytest.mark.parametrize("begun", [False, True])
def test_a_create_that_is_cancelled_forgets_it(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain, begun: bool
) -> None:
    cloud.controls.inject("servers.create", kind="stuck")
    ask(project)
    operation = Operation.objects.get()
    if begun:
        runner.run(operation.pk)
        operation.refresh_from_db()
    runner.cancel(operation, actor=ALICE)
    drain()
    assert VM.objects.get().status == "DELETED"
    assert kept() == [""]


# What an older version has left


@pytest.fixture
def migration() -> Any:
    return import_module("compute.migrations.0013_what_is_gone")


def test_an_upgrade_forgets_what_no_create_needs(
    catalogue: None, project: Project, make_vm: MakeVM, migration: Any
) -> None:
    done, live = make_vm(), ask(project)
    VM.objects.filter(pk=done.pk).update(user_data=SECRET)
    imported = VMFactory.create(user_data=SECRET)
    migration.forget_user_data(apps, None)
    found = dict(VM.objects.values_list("pk", "user_data"))
    assert found == {done.pk: "", live.pk: SECRET, imported.pk: ""}


def test_an_upgrade_gives_back_the_quota_of_vanished_servers(
    project: Project, make_vm: MakeVM, migration: Any
) -> None:
    there, *gone = make_vm(), make_vm(), make_vm(flavor="m1.medium")
    error = {"code": "server-vanished", "detail": "Gone.", "retryable": False}
    for vm in gone:
        VM.objects.filter(pk=vm.pk).update(status="ERROR", error=error)
    migration.give_back_quotas(apps, None)
    used = dict(Quota.objects.filter(project=project).values_list("resource", "used"))
    assert used == in_use(project)
    assert (used["vms"], used["vcpus"]) == (1, there.vcpus)
    assert [VM.objects.get(pk=vm.pk).lacks_server for vm in gone] == [True, True]
    migration.give_back_quotas(apps, None)  # an upgrade that was broken off, say
    assert used == in_use(project)
