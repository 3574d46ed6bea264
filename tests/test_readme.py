"""The README is true: its commands run as they stand, its tables match the code."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from compute.management.commands.lifecycle import lifecycle

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
RUN, TEST, *TRY, BROKER = BLOCKS
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")


def test_the_lifecycle_is_that_of_the_code() -> None:
    shown = README.split("<!-- lifecycle -->")[1].split("<!-- /lifecycle -->")[0]
    assert shown.strip() == lifecycle(), "paste the output of manage.py lifecycle"


def test_every_file_it_points_to_exists() -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_first_two_commands_are_the_whole_set_up() -> None:
    assert (RUN.strip(), TEST.strip()) == ("make run", "make test")
    # The second would run this test; it is run from a clean clone there:
    assert "\nmake test\n" in (ROOT / ".ci/run").read_text()


def test_every_setting_it_names_is_read() -> None:
    table = README.split("| variable | default |")[1].split("\n\n")[0]
    names = re.findall(r"`([A-Z_]{4,})`", table)
    source = "".join(path.read_text() for path in (ROOT / "vmmanager").glob("*.py"))
    assert len(names) > 8
    assert [name for name in names if f'"{name}"' not in source] == []


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """`make run`, on a free port, with its state in a folder of this test's own."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    environment = os.environ | {
        "PORT": str(port),
        "DATA_DIR": str(tmp_path),
        "DEBUG": "true",
        # What runs the tests may point elsewhere; the README does not.
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "CELERY_BROKER_URL": "",
        "CLOUDS": "default=mock://",
    }
    log = (tmp_path / "run.log").open("w")
    process = subprocess.Popen(  # noqa: S602  # the README's own line
        RUN,
        shell=True,
        cwd=ROOT,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for(port, tmp_path / "run.log")
        yield port, environment
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        log.close()


def wait_for(port: int, log: Path) -> None:
    for _ in range(300):
        try:
            with urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"make run does not answer:\n{log.read_text()}")


@pytest.mark.e2e
@pytest.mark.slow
def test_what_it_says_to_try_works_as_it_stands(
    served: tuple[int, dict[str, str]],
) -> None:
    port, environment = served
    script = "\n".join(TRY).replace("localhost:8000", f"127.0.0.1:{port}")
    done = subprocess.run(  # noqa: S603  # the README's own lines
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    said = done.stdout
    assert done.returncode == 0, done.stderr + said
    bodies = [
        '"name":"web-server-01"',
        '"count":1',
        '"status":"SHUTOFF"',
        '"flavor":"m1.medium"',
        '"status":"AVAILABLE"',
        '"labels":{"env":"prod"}',
        '"type":"vm.restore"',
        '"code":"invalid-transition"',
        '"status":"DELETED"',
        '"code":"not-found"',
        "10000 VMs added",
    ]
    assert [body for body in bodies if body not in said] == []


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.broker
def test_a_worker_and_a_beat_of_their_own_start(tmp_path: Path) -> None:
    export, *commands = BROKER.replace("redis://127.0.0.1:6379/0", REDIS_URL).split(
        "\n"
    )
    environment = os.environ | {
        "DATA_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
    }
    for command, ready in zip(
        filter(None, commands), ("celery@", "is starting."), strict=True
    ):
        log = tmp_path / "process.log"
        with log.open("w") as output:
            process = subprocess.Popen(  # noqa: S602  # the README's own lines
                f"{export}; exec {command}",
                shell=True,
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            try:
                end = time.monotonic() + 60
                while ready not in log.read_text() and time.monotonic() < end:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.2)
                assert ready in log.read_text()
            finally:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(30)
