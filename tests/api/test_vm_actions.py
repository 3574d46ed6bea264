from collections.abc import Callable
from typing import Any

import pytest

from compute.models import VM, Operation, VMStatus
from tests.support.api import Api, errors, problem
from tests.support.factories import VMFactory

#: Action, its body, a status it starts from, the status meanwhile, and the end.
ACTIONS = [
    ("start", None, "SHUTOFF", "STARTING", "ACTIVE"),
    ("stop", None, "ACTIVE", "STOPPING", "SHUTOFF"),
    ("reboot", None, "ACTIVE", "REBOOT", "ACTIVE"),
    ("reboot", {"type": "SOFT"}, "ACTIVE", "REBOOT", "ACTIVE"),
    ("reboot", {"type": "HARD"}, "PAUSED", "REBOOT", "ACTIVE"),
    ("resize", {"flavor": "m1.medium"}, "SHUTOFF", "RESIZE", "ACTIVE"),
    ("rebuild", {"image": "debian-12"}, "SHUTOFF", "REBUILD", "SHUTOFF"),
    ("pause", None, "ACTIVE", "PAUSING", "PAUSED"),
    ("unpause", None, "PAUSED", "UNPAUSING", "ACTIVE"),
    ("suspend", {}, "ACTIVE", "SUSPENDING", "SUSPENDED"),
    ("resume", None, "SUSPENDED", "RESUMING", "ACTIVE"),
    ("shelve", None, "ACTIVE", "SHELVING", "SHELVED_OFFLOADED"),
    ("unshelve", None, "SHELVED_OFFLOADED", "UNSHELVING", "ACTIVE"),
    ("rescue", None, "ACTIVE", "RESCUING", "RESCUE"),
    ("unrescue", None, "RESCUE", "UNRESCUING", "ACTIVE"),
]


@pytest.mark.parametrize(("action", "body", "source", "via", "end"), ACTIONS)
def test_an_action_is_accepted_and_settles(
    api: Api,
    make_vm: Callable[..., VM],
    drain: Callable[[], None],
    action: str,
    body: Any,
    source: str,
    via: str,
    end: str,
) -> None:
    vm = make_vm(source)
    response = api.post(f"/vms/{vm.pk}/actions/{action}", body)
    shown = response.json()
    assert response.status_code == 202, shown
    assert (shown["id"], shown["status"]) == (str(vm.pk), via)
    assert response.headers["Operation-Location"].endswith(shown["operation_id"])
    assert "Location" not in response.headers
    operation = Operation.objects.get(pk=shown["operation_id"])
    assert operation.type == f"vm.{action}"
    assert operation.request_id == response.headers["X-Request-ID"]
    drain()
    assert api.get(f"/vms/{vm.pk}").json()["status"] == end


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        ("start", None, "ACTIVE"),
        ("stop", None, "SHUTOFF"),
        ("reboot", None, "SHUTOFF"),
        ("reboot", {"type": "HARD"}, "SHUTOFF"),
        ("pause", None, "SHUTOFF"),
        ("unpause", None, "ACTIVE"),
        ("suspend", None, "PAUSED"),
        ("resume", None, "ACTIVE"),
        ("shelve", None, "ERROR"),
        ("unshelve", None, "ACTIVE"),
        ("rescue", None, "RESCUE"),
        ("unrescue", None, "ACTIVE"),
    ],
)
def test_an_action_in_the_wrong_status_names_what_is_allowed(
    api: Api, action: str, body: Any, status: str
) -> None:
    vm = VMFactory.create(status=status)
    response = api.post(f"/vms/{vm.pk}/actions/{action}", body)
    document = problem(response, 409, "invalid-transition")
    assert document["vm_status"] == status
    assert document["retryable"] is False
    assert document["allowed_actions"] == list(vm.allowed_actions)
    assert not Operation.objects.exists()


def test_a_busy_vm_names_the_operation_in_the_way(
    api: Api, make_vm: Callable[..., VM]
) -> None:
    vm = make_vm()
    running = api.post(f"/vms/{vm.pk}/actions/stop").json()["operation_id"]
    for action in ("start", "stop", "reboot"):
        response = api.post(f"/vms/{vm.pk}/actions/{action}")
        document = problem(response, 409, "operation-in-progress")
        assert document["operation_id"] == running
        assert document["retryable"] is True
        assert int(response.headers["Retry-After"]) >= 1
    problem(api.delete(f"/vms/{vm.pk}"), 409, "operation-in-progress")


def test_a_vm_is_restored_from_its_snapshot(
    api: Api, make_vm: Callable[..., VM], drain: Callable[[], None]
) -> None:
    vm = make_vm()
    snapshot = api.post(f"/vms/{vm.pk}/snapshots", {"name": "before"}).json()
    drain()
    response = api.post(f"/vms/{vm.pk}/actions/restore", {"snapshot": snapshot["id"]})
    assert response.status_code == 202
    assert response.json()["status"] == "RESTORING"
    drain()
    assert api.get(f"/vms/{vm.pk}").json()["status"] == "ACTIVE"


@pytest.mark.parametrize(
    ("action", "body", "where"),
    [
        ("stop", {"force": True}, ("#/force", "unknown")),
        ("start", [], ("#", "invalid")),
        ("reboot", {"type": "FIRM"}, ("#/type", "invalid_choice")),
        ("reboot", {"type": 1}, ("#/type", "invalid_choice")),
        ("resize", None, ("#/flavor", "required")),
        ("resize", {"flavor": "m9.huge"}, ("#/flavor", "does_not_exist")),
        ("resize", {"flavor": "m1.small"}, ("#/flavor", "unchanged")),
        ("rebuild", {"image": ""}, ("#/image", "blank")),
        ("rebuild", {"image": "plan9"}, ("#/image", "does_not_exist")),
        ("restore", {"snapshot": "none"}, ("#/snapshot", "does_not_exist")),
    ],
)
def test_a_wrong_body_is_refused_with_a_pointer(
    api: Api,
    make_vm: Callable[..., VM],
    action: str,
    body: Any,
    where: tuple[str, str],
) -> None:
    vm = make_vm()
    assert errors(api.post(f"/vms/{vm.pk}/actions/{action}", body)) == [where]
    assert VM.objects.get(pk=vm.pk).status == VMStatus.ACTIVE


def test_an_action_on_no_vm_is_404(api: Api) -> None:
    nobody = "8f2d6c1e-6f0c-4c1e-9d0a-3a3f1d1b2c11"
    problem(api.post(f"/vms/{nobody}/actions/stop"), 404, "not-found")


def test_an_action_that_does_not_exist_is_404(api: Api) -> None:
    vm = VMFactory.create()
    problem(api.post(f"/vms/{vm.pk}/actions/explode"), 404, "not-found")
