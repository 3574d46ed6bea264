"""Ctrl-C ends `make run` at once, or says what it waits for; a second one always does."""

import http.client
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from providers.mock import MockProvider
from tests.deployed import ROOT, eventually, free_port, listening, run

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.once]

#: Celery alone takes two to four: see `EmbeddedWorker`.
AT_ONCE = 1.8


@dataclass
class Served:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    def press_ctrl_c(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def says(self, words: str) -> None:
        eventually(lambda: words in self.log.read_text(), what=words, log=self.log)

    def seconds_to_end(self) -> float:
        begun = time.monotonic()
        self.process.wait(timeout=60)
        return time.monotonic() - begun

    def create_vm(self, *, cloud: str) -> str:
        """Return the id of the operation that makes it."""
        vm = {"name": "web", "flavor": "m1.small", "image": "cirros", "cloud": cloud}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/api/v1/vms", json.dumps(vm), headers)
        response = connection.getresponse()
        body = json.loads(response.read())
        connection.close()
        assert response.status == 202, body
        return str(body["operation_id"])

    @contextmanager
    def waiting_for(self, operation: str) -> Iterator[None]:
        """Wait for an operation while the block lasts, as a client does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Prefer": "wait=30"}
        connection.request("GET", f"/api/v1/operations/{operation}", headers=headers)
        time.sleep(1)  # until it has got there, which nothing tells
        with closing(connection):
            yield


def environment(data: Path) -> dict[str, str]:
    return {
        "PATH": str(Path(sys.executable).parent),
        "DATA_DIR": str(data),
        "CLOUDS": f"default=mock://?path={data / 'default.sqlite3'},"
        f"slow=mock://?path={data / 'slow.sqlite3'}",
    }


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("migrated")
    done = run(["python", "manage.py", "migrate", "-v", "0"], environment(data))
    assert done.returncode == 0, done.stderr
    return data


@contextmanager
def serving(data: Path) -> Iterator[Served]:
    """Run what `make run` does."""
    port, log = free_port(), data / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
            cwd=ROOT,
            env=environment(data),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield Served(process, port, log)
    finally:
        process.kill()
        process.wait()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def data(migrated: Path, tmp_path: Path) -> Path:
    copied = shutil.copytree(migrated, tmp_path / "data")
    return Path(copied)


def hang(cloud: Path) -> None:
    MockProvider(path=str(cloud)).inject("*", kind="hang", delay=60, times=0)


@pytest.fixture
def served(data: Path) -> Iterator[Served]:
    with serving(data) as served:
        eventually(lambda: listening(served.port), what="serving", log=served.log)
        hang(data / "slow.sqlite3")
        yield served


def test_an_idle_service_ends_at_once(served: Served) -> None:
    served.press_ctrl_c()
    assert served.seconds_to_end() < AT_ONCE
    assert served.process.returncode == 0
    assert "waiting" not in served.log.read_text().lower()


def test_a_call_under_way_is_waited_for_and_named(served: Served) -> None:
    served.create_vm(cloud="slow")
    served.says("Running vm.create")
    served.press_ctrl_c()
    served.says("waiting for calls under way")
    assert "cloud.slow" in served.log.read_text()
    assert served.seconds_to_end() < 10
    assert served.process.returncode == 0


def test_a_second_ctrl_c_ends_the_wait_for_a_call(served: Served) -> None:
    served.create_vm(cloud="slow")
    served.says("Running vm.create")
    served.press_ctrl_c()
    served.says("Ctrl-C again")
    served.press_ctrl_c()
    assert served.seconds_to_end() < AT_ONCE


def test_a_second_ctrl_c_ends_the_wait_for_a_request(served: Served) -> None:
    with served.waiting_for(served.create_vm(cloud="slow")):
        served.press_ctrl_c()
        served.says("Waiting for requests under way")
        served.press_ctrl_c()
        assert served.seconds_to_end() < AT_ONCE


def test_it_ends_while_it_starts_too(data: Path) -> None:
    # The flavors and images of the default cloud, which is not heard from, are awaited.
    hang(data / "default.sqlite3")
    with serving(data) as served:
        served.says("embedded worker started")
        served.press_ctrl_c()
        assert served.seconds_to_end() < 10
        assert served.process.returncode == 128 + signal.SIGINT
