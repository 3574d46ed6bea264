"""`retryable` tells the truth, of a read, of a write that waited, and of an operation."""

from collections.abc import Callable
from typing import Any

import pytest

from compute.models import VM, Operation
from providers.mock import MockCloud
from tests.conftest import Drain
from tests.support.api import Api

MakeVM = Callable[..., VM]
NEW = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}

#: A failure of the cloud -> the status of our answer, whether trying again makes sense.
FAILURES: list[tuple[dict[str, Any], int, bool]] = [
    ({"kind": "fail", "status": 503}, 503, True),
    ({"kind": "fail", "status": 429}, 503, True),
    ({"kind": "refuse"}, 503, True),
    ({"kind": "drop", "status": 504}, 503, True),
    ({"kind": "hang"}, 504, True),
    ({"kind": "fail", "status": 400}, 400, False),
    ({"kind": "fail", "status": 403}, 502, False),
    ({"kind": "quota"}, 403, False),
]
IDS = ["-".join(str(v) for v in fault.values()) for fault, _, _ in FAILURES]
failures = pytest.mark.parametrize(("fault", "status", "retryable"), FAILURES, ids=IDS)


@failures
def test_a_read_that_asks_the_cloud_says_whether_to_ask_again(
    api: Api,
    make_vm: MakeVM,
    cloud: MockCloud,
    fault: dict[str, Any],
    status: int,
    retryable: bool,
) -> None:
    path = f"/vms/{make_vm().pk}/console-log"
    cloud.controls.inject("servers.get_console_log", **fault)
    answer = api.get(path)
    assert (answer.status_code, answer.json()["retryable"]) == (status, retryable)
    assert ("Retry-After" in answer.headers) == retryable
    assert api.get(path).status_code == 200


@pytest.mark.parametrize(("asks", "told"), [(7, "7"), (6.2, "7"), (86_400, "60")])
def test_the_pause_that_the_cloud_asks_for_is_passed_on(
    api: Api, make_vm: MakeVM, cloud: MockCloud, asks: float, told: str
) -> None:
    path = f"/vms/{make_vm().pk}/console-log"
    cloud.controls.inject(
        "servers.get_console_log", kind="fail", status=503, retry_after=asks
    )
    assert api.get(path).headers["Retry-After"] == told


@failures
def test_an_operation_that_failed_says_whether_to_try_again(
    api: Api,
    make_vm: MakeVM,
    cloud: MockCloud,
    drain: Drain,
    fault: dict[str, Any],
    status: int,
    retryable: bool,
) -> None:
    vm = make_vm()
    cloud.controls.inject("servers.stop", times=0, **fault)
    path = f"/vms/{vm.pk}/actions/stop"
    key = {"Idempotency_Key": "k"}
    api.post(path, **key)
    drain()
    operation = Operation.objects.latest("created_at")
    told = api.get(f"/operations/{operation.pk}").json()["error"]
    assert (told["status"], told["retryable"]) == (status, retryable)
    assert api.get(f"/vms/{vm.pk}").json()["error"]["retryable"] is retryable
    # Its key stands for it: sent again it starts nothing, and never will.
    again = api.post(path, **key)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.json() == {**told, "retryable": False}
    assert "Retry-After" not in again.headers
    # A new request may succeed, as it said.
    cloud.controls.clear_faults()
    api.post(path, Idempotency_Key="another")
    drain()
    assert api.get(f"/vms/{vm.pk}").json()["status"] == "SHUTOFF"
