"""Idempotency-Key: a POST that is sent again re-attaches to what the first one started."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from compute.engine import once
from compute.models import VM, IdempotencyKey, Operation, Snapshot
from providers.mock import MockCloud
from tests.conftest import Drain
from tests.support.api import Api, errors, problem

MakeVM = Callable[..., VM]
NEW = {"name": "web-server-01", "flavor": "m1.small", "image": "ubuntu-22.04"}
SAME = {"image": "ubuntu-22.04", "flavor": "m1.small", "name": "web-server-01"}
KEY = "6f1c0f0e-0b7e-4b6e-9d0a-3a3f1d1b2c11"
REPLAYED = "Idempotent-Replayed"


def replay_of(first: Any, again: Any) -> None:
    """Assert that an answer tells of what an earlier one started."""
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    for header in ("Operation-Location", "Location"):
        assert again.headers.get(header) == first.headers.get(header)
    assert again.json()["id"] == first.json()["id"]


def test_a_create_that_is_sent_again_makes_one_vm(
    api: Api, catalogue: None, drain: Drain, cloud: MockCloud
) -> None:
    first = api.post("/vms", NEW, Idempotency_Key=KEY)
    again = api.post("/vms", SAME, Idempotency_Key=f'"{KEY}"')
    assert (first.status_code, again.status_code) == (202, 202)
    replay_of(first, again)
    drain()
    done = api.post("/vms", NEW, Idempotency_Key=KEY)
    assert done.status_code == 201
    assert done.json()["status"] == "ACTIVE"
    replay_of(first, done)
    assert VM.objects.count() == Operation.objects.count() == 1
    assert len(cloud.servers.list_all()) == 1


def test_without_a_key_each_request_is_one_of_its_own(
    api: Api, catalogue: None
) -> None:
    for _ in range(2):
        assert REPLAYED not in api.post("/vms", NEW).headers
    assert VM.objects.count() == 2
    assert not IdempotencyKey.objects.exists()


def test_an_action_that_is_sent_again_is_done_once(
    api: Api, make_vm: MakeVM, drain: Drain
) -> None:
    path = f"/vms/{make_vm().pk}/actions/reboot"
    first = api.post(path, Idempotency_Key=KEY)
    replay_of(first, api.post(path, Idempotency_Key=KEY))
    drain()
    done = api.post(path, Idempotency_Key=KEY)
    assert done.status_code == 200
    replay_of(first, done)
    assert Operation.objects.filter(type="vm.reboot").count() == 1
    assert api.post(path, Idempotency_Key="another").status_code == 202


def test_a_snapshot_that_is_asked_for_again_is_taken_once(
    api: Api, make_vm: MakeVM, drain: Drain
) -> None:
    path, body = f"/vms/{make_vm().pk}/snapshots", {"name": "before"}
    first = api.post(path, body, Idempotency_Key=KEY)
    drain()
    done = api.post(path, body, Idempotency_Key=KEY)
    assert (first.status_code, done.status_code) == (202, 201)
    replay_of(first, done)
    assert Snapshot.objects.count() == 1


def test_a_cancel_that_is_sent_again_tells_what_became_of_it(
    api: Api, catalogue: None
) -> None:
    api.post("/vms", NEW)
    path = f"/operations/{Operation.objects.get().pk}/actions/cancel"
    first = api.post(path, Idempotency_Key=KEY)
    again = api.post(path, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert again.headers[REPLAYED] == "true"
    problem(api.post(path), 409, "not-cancellable")


def test_a_failure_is_told_again(
    api: Api, catalogue: None, drain: Drain, cloud: MockCloud
) -> None:
    cloud.controls.inject("servers.create", kind="build_error", message="No valid host")
    api.post("/vms", NEW, Idempotency_Key=KEY)
    drain()
    operation = Operation.objects.get().pk
    again = api.post("/vms", NEW, Idempotency_Key=KEY)
    assert again.status_code == 502
    # The document of the operation, so with the id of the request that started it.
    assert again.json() == api.get(f"/operations/{operation}").json()["error"]
    assert "No valid host" in again.json()["detail"]
    assert again.headers[REPLAYED] == "true"
    assert VM.objects.count() == 1


@pytest.mark.parametrize("other", [{**NEW, "name": "db-1"}, {**NEW, "labels": {}}])
def test_a_key_stands_for_one_request(
    api: Api, catalogue: None, other: dict[str, Any]
) -> None:
    api.post("/vms", NEW, Idempotency_Key=KEY)
    problem(api.post("/vms", other, Idempotency_Key=KEY), 422, "idempotency-key-reused")
    vm = VM.objects.get()
    path = f"/vms/{vm.pk}/actions/stop"
    problem(api.post(path, Idempotency_Key=KEY), 422, "idempotency-key-reused")


def test_what_was_refused_can_be_sent_again_with_its_key(
    api: Api, catalogue: None, make_vm: MakeVM, drain: Drain
) -> None:
    vm = make_vm("SHUTOFF")
    path = f"/vms/{vm.pk}/actions/stop"
    problem(api.post(path, Idempotency_Key=KEY), 409, "invalid-transition")
    bad = {**NEW, "flavor": "m1.none"}
    assert errors(api.post("/vms", bad, Idempotency_Key="bad")) == [
        ("#/flavor", "does_not_exist")
    ]
    assert not IdempotencyKey.objects.exists()
    api.post(f"/vms/{vm.pk}/actions/start")
    drain()
    first = api.post(path, Idempotency_Key=KEY)
    assert first.status_code == 202
    assert REPLAYED not in first.headers


def test_a_key_is_forgotten_after_a_day(
    api: Api, catalogue: None, time_machine: time_machine.TimeMachineFixture
) -> None:
    start = timezone.now()
    time_machine.move_to(start, tick=False)
    api.post("/vms", NEW, Idempotency_Key=KEY)
    time_machine.move_to(start + timedelta(hours=23), tick=False)
    assert once.forget_old() == 0
    assert REPLAYED in Api().post("/vms", NEW, Idempotency_Key=KEY).headers
    time_machine.move_to(start + timedelta(hours=24), tick=False)
    # Nobody has swept it up yet, and it counts no more all the same.
    assert REPLAYED not in Api().post("/vms", NEW, Idempotency_Key=KEY).headers
    assert VM.objects.count() == 2
    time_machine.move_to(start + timedelta(hours=49), tick=False)
    assert once.forget_old() == 1
    assert not IdempotencyKey.objects.exists()


@pytest.mark.parametrize("key", ["", " ", "a b", '"', '""', "é", "x" * 256])
def test_a_key_that_is_none_is_refused(api: Api, catalogue: None, key: str) -> None:
    answer = api.post("/vms", NEW, Idempotency_Key=key)
    assert errors(answer) == [("Idempotency-Key", "invalid")]
    assert not VM.objects.exists()


def test_only_a_post_has_a_key(api: Api, make_vm: MakeVM) -> None:
    path = f"/vms/{make_vm().pk}"
    assert api.get(path, Idempotency_Key="a b").status_code == 200
    assert api.delete(path, Idempotency_Key=KEY).status_code == 202
    assert not IdempotencyKey.objects.exists()
