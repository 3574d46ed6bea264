"""The tasks: what is announced reaches its cloud's queue, or is found by the sweep."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from queue import Empty

import pytest
from django.utils import timezone

from compute import tasks
from compute.events import Actor
from compute.models import VM, CloudService, Operation
from compute.services import vms
from vmmanager.celery import app


@pytest.fixture
def sent() -> Iterator[Callable[[], list[str]]]:
    """The tasks that lie in the default cloud's queue of the in-memory broker."""
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue("cloud.default")
        queue.clear()

        def names() -> list[str]:
            found = []
            with suppress(Empty):
                while True:
                    found.append(str(queue.get(block=False).headers["task"]))
            return found

        yield names
        queue.close()


def test_work_goes_to_the_queue_of_its_cloud(
    make_vm: Callable[..., VM],
    actor: Actor,
    sent: Callable[[], list[str]],
) -> None:
    operation = vms.act(make_vm(), "stop", actor=actor).operation
    assert operation is not None
    tasks.send(operation.pk, cloud="default", after=0)
    assert sent() == ["compute.tasks.run_operation"]


def test_a_task_brings_its_operation_on_and_asks_for_a_pass(
    make_vm: Callable[..., VM],
    actor: Actor,
    sent: Callable[[], list[str]],
) -> None:
    vm = vms.act(make_vm(), "stop", actor=actor)
    tasks.run_operation(str(vm.operation_id))
    assert Operation.objects.waiting().count() == 1
    assert sent() == ["compute.tasks.observe"]
    CloudService.objects.update(next_pass_at=None)
    tasks.observe("default", "compute")
    vm.refresh_from_db()
    assert vm.status == "SHUTOFF"


def test_a_pass_is_followed_by_another_while_there_is_work(
    make_vm: Callable[..., VM],
    actor: Actor,
    sent: Callable[[], list[str]],
) -> None:
    vms.act(make_vm(), "stop", actor=actor)
    CloudService.objects.update(next_pass_at=None)
    tasks.observe("default", "compute")
    assert sent() == ["compute.tasks.observe"]


def test_a_quiet_cloud_is_left_alone_until_its_pass_is_due(
    make_vm: Callable[..., VM], sent: Callable[[], list[str]]
) -> None:
    make_vm()
    CloudService.objects.update(next_pass_at=timezone.now() + timedelta(seconds=20))
    tasks.tick()
    assert sent() == []
    CloudService.objects.update(next_pass_at=timezone.now())
    tasks.tick()
    assert sent() == ["compute.tasks.observe"] * 3  # compute, image, network


@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_is_away_fails_no_request(scheme: str, tmp_path: Path) -> None:
    """The row is committed by then: the sweep finds it."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        environment = os.environ | {
            "DEBUG": "true",
            "DATA_DIR": str(tmp_path),
            "CELERY_BROKER_URL": f"{scheme}://127.0.0.1:{port}/",
        }
        script = (
            "import uuid; from compute import tasks; "
            "tasks.send(uuid.uuid4(), cloud='default', after=0)"
        )
        done = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", script],
            cwd=Path(__file__).resolve().parents[2],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert "The broker did not accept operation" in done.stderr


@pytest.mark.e2e
@pytest.mark.parametrize("scheme", ["redis", "amqp"])
def test_a_broker_that_hangs_holds_no_request_up(scheme: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        port = mute.getsockname()[1]
        script = (
            "import time, uuid; from compute import tasks; begun = time.monotonic(); "
            "[tasks.send(uuid.uuid4(), cloud='default', after=0) for _ in range(9)]; "
            "print(time.monotonic() - begun)"
        )
        done = subprocess.run(  # noqa: S603  # our own command
            [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", script],
            cwd=Path(__file__).resolve().parents[2],
            env=os.environ
            | {
                "DEBUG": "true",
                "DATA_DIR": str(tmp_path),
                "CELERY_BROKER_URL": f"{scheme}://127.0.0.1:{port}/",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    # One finds it out for all of the next seconds.
    assert float(done.stdout) < 5
    assert done.stderr.count("The broker did not accept operation") == 1


def test_the_beat_has_a_task_for_each_of_its_entries() -> None:
    app.loader.import_default_modules()
    wanted = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert wanted
    assert wanted <= app.tasks.keys()
