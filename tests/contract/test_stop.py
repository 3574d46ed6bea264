"""Ctrl-C ends `make run` at once, or says what it waits for; a second one always does."""

import http.client
import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from providers.mock import MockCloud
from tests.support.runserver import Served, migrate, serving

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.once]

#: Celery alone takes two to four: see `embedded_worker`.
AT_ONCE = 1.8


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("migrated")
    migrate(data)
    return data


@pytest.fixture
def data(migrated: Path, tmp_path: Path) -> Path:
    copied = shutil.copytree(migrated, tmp_path / "data")
    return Path(copied)


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    with serving(data) as served:
        served.listens()
        hang(data / "slow.sqlite3")
        yield served


def hang(cloud: Path) -> None:
    MockCloud(path=str(cloud)).controls.inject("*", kind="hang", delay=60, times=0)


def press_ctrl_c(served: Served) -> None:
    served.process.send_signal(signal.SIGINT)


def seconds_to_end(served: Served) -> float:
    begun = time.monotonic()
    served.process.wait(timeout=60)
    return time.monotonic() - begun


def create_vm(served: Served, *, cloud: str, **headers: str) -> str:
    """Return its id."""
    vm = {"name": "web", "flavor": "m1.small", "image": "cirros", "cloud": cloud}
    with closing(http.client.HTTPConnection("127.0.0.1", served.port)) as connection:
        headers["Content-Type"] = "application/json"
        connection.request("POST", "/api/v1/vms", json.dumps(vm), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
    assert response.status in (201, 202), body
    return str(body["id"])


@contextmanager
def reading_the_console(served: Served, vm: str) -> Iterator[None]:
    """Have a request wait for its cloud while the block lasts."""
    with closing(http.client.HTTPConnection("127.0.0.1", served.port)) as connection:
        connection.request("GET", f"/api/v1/vms/{vm}/console-log")
        time.sleep(1)  # until it has got there, which nothing tells
        yield


def test_an_idle_service_ends_at_once(served: Served) -> None:
    press_ctrl_c(served)
    assert seconds_to_end(served) < AT_ONCE
    assert served.process.returncode == 0
    assert "waiting" not in served.log.read_text().lower()


def test_a_call_under_way_is_waited_for_and_named(served: Served) -> None:
    create_vm(served, cloud="slow")
    served.says("Running vm.create")
    press_ctrl_c(served)
    served.says("waiting for calls to finish")
    assert "cloud.slow" in served.log.read_text()
    assert seconds_to_end(served) < 10
    assert served.process.returncode == 0


def test_a_second_ctrl_c_ends_the_wait_for_a_call(served: Served) -> None:
    create_vm(served, cloud="slow")
    served.says("Running vm.create")
    press_ctrl_c(served)
    served.says("Ctrl-C again")
    press_ctrl_c(served)
    assert seconds_to_end(served) < AT_ONCE


def test_a_second_ctrl_c_ends_the_wait_for_a_request(
    served: Served, data: Path
) -> None:
    vm = create_vm(served, cloud="default", Prefer="wait=20")
    hang(data / "default.sqlite3")
    with reading_the_console(served, vm):
        press_ctrl_c(served)
        served.says("Waiting for open requests to finish")
        press_ctrl_c(served)
        assert seconds_to_end(served) < AT_ONCE


def test_it_ends_while_it_starts_too(data: Path) -> None:
    # The flavors and images of the default cloud, which is not heard from, are awaited.
    hang(data / "default.sqlite3")
    with serving(data) as served:
        served.says("embedded worker started")
        press_ctrl_c(served)
        assert seconds_to_end(served) < 10
        assert served.process.returncode == 128 + signal.SIGINT
