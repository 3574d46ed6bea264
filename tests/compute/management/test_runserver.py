"""runserver as a process: what it refuses, what it says, and that it works alone."""

import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from providers.mock import MockCloud

ROOT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def environment(data_dir: Path) -> dict[str, str]:
    return {
        **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
        "PATH": os.environ["PATH"],
        "DATA_DIR": str(data_dir),
        # The others cannot be reached, or hang, which shall keep nobody from the first.
        "CLOUDS": ",".join(
            (
                "default=mock://?delay=0",
                "lab=mock://?path=/dev/null/lab",
                f"dead=mock://?path={data_dir / 'dead.sqlite3'}",
                f"sick=mock://?path={data_dir / 'sick.sqlite3'}",
            )
        ),
    }


def manage(data_dir: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment(data_dir),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def create_vm(port: int, *, cloud: str, wait: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    vm = {"name": "web", "flavor": "m1.small", "image": "cirros", "cloud": cloud}
    headers = {"Content-Type": "application/json", "Prefer": f"wait={wait}"}
    connection.request("POST", "/api/v1/vms", json.dumps(vm), headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    response = connection.getresponse()
    body = response.read().decode()
    connection.close()
    return response.status, body


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data_dir = tmp_path_factory.mktemp("data")
    done = manage(data_dir, "migrate", "--verbosity", "0")
    assert done.returncode == 0, done.stderr
    hang(data_dir / "dead.sqlite3")
    return data_dir


def hang(mock: Path) -> None:
    """Have every call to a mock cloud end in a timeout after a minute."""
    MockCloud(path=str(mock)).controls.inject("*", kind="hang", delay=60, times=0)


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """Return the one line with which a command refused."""
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize(
    "address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "0:0"]
)  # refused
def test_it_refuses_to_be_reached_from_elsewhere(migrated: Path, address: str) -> None:
    line = refusal(manage(migrated, "runserver", "--noreload", address))
    assert "with DEBUG=true only loopback" in line
    assert "127.0.0.1" in line


def test_it_refuses_a_port_that_is_taken(migrated: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = refusal(manage(migrated, "runserver", "--noreload", str(port)))
    assert f"Port {port} is in use" in line
    assert f"PORT={port + 1} make run" in line


def test_it_refuses_a_database_that_is_not_migrated(tmp_path: Path) -> None:
    line = refusal(manage(tmp_path, "runserver", "--noreload", str(free_port())))
    assert "run manage.py migrate" in line


def test_migrate_refuses_the_tables_of_an_older_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "db.sqlite3") as db:
        db.execute(
            "CREATE TABLE django_migrations "
            "(id INTEGER PRIMARY KEY, app TEXT, name TEXT, applied TEXT)"
        )
        db.executemany(
            "INSERT INTO django_migrations (app, name, applied) VALUES (?, ?, ?)",
            [
                ("compute", "0001_initial", "2026-11-01"),
                ("admin", "0001_initial", "2026-11-01"),
            ],
        )
    line = refusal(manage(tmp_path, "migrate", "--verbosity", "0"))
    assert "before 0.1.0 cannot be upgraded" in line


@pytest.fixture
def serving(migrated: Path, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A server on a port, and the file with all it says; it must end on SIGTERM."""
    port, log = free_port(), tmp_path / "runserver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "manage.py", "runserver", "--noreload", str(port)],
            cwd=ROOT,
            env=environment(migrated),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 60
    while True:
        try:
            get(port, "/health")
            break
        except ConnectionError:
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                pytest.fail(log.read_text())
            time.sleep(0.1)
    yield port, log
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0
    assert "embedded worker stopped" in log.read_text()


def test_it_serves_everything_from_one_process(serving: tuple[int, Path]) -> None:
    port, log = serving
    assert get(port, "/health") == (200, '{"status":"ok"}\n')
    status, flavors = get(port, "/api/v1/flavors")
    assert status == 200
    assert "m1.small" in flavors
    said = log.read_text()
    assert "embedded worker started" in said
    assert "The catalogue of lab was not refreshed" in said
    assert "act as a demo administrator" in said
    for path in re.findall(rf"http://127\.0\.0\.1:{port}(/\S+)", said):
        assert get(port, path)[0] in {200, 302}, path
    assert re.search(r"log in as admin / \S+", said)


def test_a_cloud_that_hangs_slows_no_other(
    serving: tuple[int, Path], migrated: Path
) -> None:
    port, _ = serving
    hang(migrated / "sick.sqlite3")
    # More than there are threads for a cloud.
    for _ in range(40):
        assert create_vm(port, cloud="sick", wait=0) == 202
    assert create_vm(port, cloud="default", wait=10) == 201


def test_it_leaves_nothing_outside_of_the_data_directory(
    serving: tuple[int, Path],
) -> None:
    assert not list(ROOT.glob("celerybeat-schedule*"))
