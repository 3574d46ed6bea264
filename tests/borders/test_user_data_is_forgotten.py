"""User data is kept for as long as a create needs it, and no longer."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.engine import runner
from compute.models import VM, Operation, Project
from compute.services import vms
from providers.mock import MockCloud
from tests.conftest import ALICE, Drain

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
