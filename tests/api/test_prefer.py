import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import RequestFactory
from pytest_django import Settings

from compute.api.http import prefer, writes
from compute.engine import runner
from compute.models import VM, Operation
from compute.tail import pause_after
from providers.mock import MockCloud
from tests.conftest import observe
from tests.support.api import Api, problem

NEW = {"name": "web-server-01", "flavor": "m1.small", "image": "ubuntu-22.04"}


@pytest.mark.parametrize(
    ("header", "seconds", "applied"),
    [
        ("", 7, None),
        ("wait=10", 10, "wait=10"),
        ("Wait = 10", 10, "wait=10"),
        ('wait="10"', 10, "wait=10"),
        ("wait=10; foo=bar", 10, "wait=10"),
        ("respond-async, wait=10", 10, "wait=10"),
        ("respond-async", 0, "respond-async"),
        ("wait=5, wait=10", 5, "wait=5"),
        ("wait=99", 30, "wait=30"),
        ("wait=0", 0, "wait=0"),
        ("return=minimal, wait=3", 3, "wait=3"),
        ('foo="a, wait=9", wait=3', 3, "wait=3"),
        ("wait", 7, None),
        ("wait=soon", 7, None),
        ("wait=-1", 7, None),
        ("handling=lenient", 7, None),
    ],
)
def test_what_a_client_prefers(
    rf: RequestFactory, header: str, seconds: int, applied: str | None
) -> None:
    request: Any = rf.get("/", headers={"Prefer": header})
    wanted = prefer.preference(request, default=7)
    assert (wanted.wait, wanted.applied) == (seconds, applied)


def test_an_end_is_seen_within_a_small_part_of_the_wait() -> None:
    assert [pause_after(waited) for waited in (0.0, 1.0, 2.0, 30.0)] == [
        0.02,
        0.05,
        0.1,
        0.1,
    ]


@pytest.fixture
def engine(
    transactional_db: None,
    django_db_serialized_rollback: None,  # keeps the project that migrate made
    cloud: MockCloud,
    catalogue: None,
) -> Iterator[threading.Lock]:
    """A worker in a thread of its own; who acquires the lock has it pause."""
    stop, awake = threading.Event(), threading.Lock()

    def work() -> None:
        try:
            while not stop.wait(0.01):
                if not awake.acquire(timeout=0.01):
                    continue
                try:
                    live = Operation.objects.live().values_list("pk", flat=True)
                    for pk in list(live):
                        runner.run(pk)
                    observe()
                finally:
                    awake.release()
        finally:
            connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    yield awake
    stop.set()
    thread.join()


@pytest.fixture
def vm(api: Api, engine: threading.Lock) -> dict[str, Any]:
    response = api.post("/vms", NEW, Prefer="wait=20")
    assert response.status_code == 201, response.content
    created: dict[str, Any] = response.json()
    return created


def test_a_create_that_waits_answers_201_with_the_finished_vm(
    api: Api, engine: threading.Lock
) -> None:
    response = api.post("/vms", NEW, Prefer="wait=20")
    vm = response.json()
    assert response.status_code == 201
    assert (vm["status"], bool(vm["addresses"])) == ("ACTIVE", True)
    assert response.headers["Preference-Applied"] == "wait=20"
    assert response.headers["Location"].endswith(vm["id"])
    assert response.headers["Operation-Location"].endswith(vm["operation_id"])
    assert response.headers["ETag"] == f'"{vm["version"]}"'
    assert "Retry-After" not in response.headers


def test_writes_that_wait_answer_200_with_the_end(api: Api, vm: dict[str, Any]) -> None:
    path = f"/vms/{vm['id']}"
    response = api.post(f"{path}/actions/stop", Prefer="wait=20")
    assert (response.status_code, response.json()["status"]) == (200, "SHUTOFF")
    response = api.post(f"{path}/snapshots", {"name": "s"}, Prefer="wait=20")
    snapshot = response.json()
    assert (response.status_code, snapshot["status"]) == (201, "AVAILABLE")
    assert response.headers["Location"].endswith(snapshot["id"])
    response = api.delete(f"/snapshots/{snapshot['id']}", Prefer="wait=20")
    assert (response.status_code, response.json()["status"]) == (200, "DELETED")
    response = api.delete(path, Prefer="wait=20")
    assert (response.status_code, response.json()["status"]) == (200, "DELETED")
    assert response.json()["deleted_at"] is not None


def test_the_default_wait_acts_as_if_every_client_had_sent_it(
    api: Api, vm: dict[str, Any], settings: Settings
) -> None:
    settings.API_DEFAULT_WAIT_SECONDS = 20
    path = f"/vms/{vm['id']}/actions"
    response = api.post(f"{path}/stop")
    assert (response.status_code, response.json()["status"]) == (200, "SHUTOFF")
    assert "Preference-Applied" not in response.headers
    response = api.post(f"{path}/start", Prefer="respond-async")
    assert (response.status_code, response.json()["status"]) == (202, "STARTING")
    assert response.headers["Preference-Applied"] == "respond-async"


def test_a_wait_that_runs_out_answers_202(
    api: Api, vm: dict[str, Any], engine: threading.Lock
) -> None:
    engine.acquire()
    began = time.monotonic()
    response = api.post(f"/vms/{vm['id']}/actions/stop", Prefer="wait=1")
    assert 1 <= time.monotonic() - began < 5
    assert (response.status_code, response.json()["status"]) == (202, "STOPPING")
    assert response.headers["Retry-After"] == "2"


def test_a_busy_vm_is_queued_for_and_then_acted_on(
    api: Api, vm: dict[str, Any]
) -> None:
    path = f"/vms/{vm['id']}/actions"
    assert api.post(f"{path}/stop").status_code == 202
    response = api.post(f"{path}/start", Prefer="wait=20")
    assert (response.status_code, response.json()["status"]) == (200, "ACTIVE")


def test_a_busy_vm_is_queued_for_and_then_checked_again(
    api: Api, vm: dict[str, Any]
) -> None:
    path = f"/vms/{vm['id']}/actions"
    assert api.post(f"{path}/stop").status_code == 202
    response = api.post(f"{path}/stop", Prefer="wait=20")
    assert problem(response, 409, "invalid-transition")["vm_status"] == "SHUTOFF"


def test_a_vm_that_stays_busy_is_409_when_the_wait_runs_out(
    api: Api, vm: dict[str, Any], engine: threading.Lock
) -> None:
    engine.acquire()
    path = f"/vms/{vm['id']}/actions"
    running = api.post(f"{path}/stop").json()["operation_id"]
    response = api.post(f"{path}/start", Prefer="wait=1")
    document = problem(response, 409, "operation-in-progress")
    assert document["operation_id"] == running


def test_a_failure_is_answered_with_the_operations_own_problem(
    api: Api, vm: dict[str, Any], cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.stop", kind="fail_async")
    response = api.post(f"/vms/{vm['id']}/actions/stop", Prefer="wait=20")
    document = response.json()
    assert response.status_code == document["status"] >= 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (document["vm"], document["retryable"]) == (vm["id"], False)
    location = response.headers["Operation-Location"]
    assert document["request_id"] == response.headers["X-Request-ID"]
    polled = api.get(location.removeprefix("http://testserver/api/v1")).json()
    assert polled["error"] == document


def test_a_failure_that_passes_says_when_to_ask_again(
    api: Api, vm: dict[str, Any], cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.stop", kind="fail", status=503, times=0)
    response = api.post(f"/vms/{vm['id']}/actions/stop", Prefer="wait=20")
    document = problem(response, 503, "openstack-unavailable")
    assert document["retryable"] is True
    assert response.headers["Retry-After"] == "5"
    polled = api.get(f"/vms/{vm['id']}").json()
    assert polled["error"]["retryable"] is True


def test_a_build_that_fails_names_the_vm_it_left_behind(
    api: Api, engine: threading.Lock, cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.create", kind="build_error", message="No valid host")
    response = api.post("/vms", NEW, Prefer="wait=20")
    document = response.json()
    assert response.status_code == 502
    assert response.headers["Location"].endswith(document["vm"])
    left = api.get(f"/vms/{document['vm']}").json()
    assert left["status"] == "ERROR"
    assert left["error"]["code"] == document["code"]


def test_a_cancelled_operation_is_a_409_for_who_waited(
    api: Api, vm: dict[str, Any], engine: threading.Lock
) -> None:
    engine.acquire()
    answers: list[Any] = []

    def wait() -> None:
        try:
            answers.append(
                Api().post(f"/vms/{vm['id']}/actions/stop", Prefer="wait=20")
            )
        finally:
            connection.close()

    thread = threading.Thread(target=wait)
    thread.start()
    while not (live := Operation.objects.live().first()):
        time.sleep(0.01)
    api.post(f"/operations/{live.pk}/actions/cancel")
    thread.join()
    assert problem(answers[0], 409, "operation-cancelled")["vm"] == vm["id"]


def test_a_cancel_that_waits_answers_with_the_end(
    api: Api, engine: threading.Lock, cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.create", kind="stuck")
    operation_id = api.post("/vms", NEW).json()["operation_id"]
    while Operation.objects.get(pk=operation_id).status == "PENDING":
        time.sleep(0.01)
    path = f"/operations/{operation_id}/actions/cancel"
    response = api.post(path, Prefer="wait=20")
    assert (response.status_code, response.json()["status"]) == (200, "CANCELLED")
    assert response.headers["Preference-Applied"] == "wait=20"
    assert response.headers["Operation-Location"].endswith(operation_id)


def test_a_get_of_an_operation_waits_for_its_end(api: Api, vm: dict[str, Any]) -> None:
    operation_id = api.post(f"/vms/{vm['id']}/actions/stop").json()["operation_id"]
    response = api.get(f"/operations/{operation_id}", Prefer="wait=20")
    assert response.json()["status"] == "SUCCEEDED"
    assert response.headers["Preference-Applied"] == "wait=20"
    assert "Retry-After" not in response.headers


def test_a_service_that_forgets_its_operation_is_a_defect() -> None:
    with pytest.raises(RuntimeError, match="without its operation"):
        next(writes.begin(None, lambda: VM(name="x"), None, deadline=0))


@pytest.mark.django_db
def test_a_process_takes_a_limited_number_of_waiters(
    api: Api,
    make_vm: Callable[..., VM],
    settings: Settings,
) -> None:
    settings.API_MAX_WAITERS = 0
    vm = make_vm()
    began = time.monotonic()
    response = api.post(f"/vms/{vm.pk}/actions/stop", Prefer="wait=20")
    assert response.status_code == 202
    assert "Preference-Applied" not in response.headers
    operation_id = response.json()["operation_id"]
    response = api.get(f"/operations/{operation_id}", Prefer="wait=20")
    assert response.json()["status"] == "PENDING"
    assert time.monotonic() - began < 5
