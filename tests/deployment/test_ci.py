"""What .ci/run says at once, and what it does about tests that fail."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.deployed import ROOT, free_port

pytestmark = pytest.mark.once

RUN = (ROOT / ".ci" / "run").read_text()


def bash(
    script: str, folder: Path, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # our own script
        ["/bin/bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def functions(*names: str) -> str:
    """Return functions of the script, with those that they need."""
    found = dict(re.findall(r"(?ms)^(\w+)\(\) (\{ [^\n]*\}|\{\n.*?^\})$", RUN))
    return "\n".join(f"{name}() {found[name]}" for name in ("step", "fail", *names))


def test_a_run_that_would_miss_its_cloud_says_so_at_once(tmp_path: Path) -> None:
    done = bash(str(ROOT / ".ci/run"), tmp_path, OPENSTACK_BENCH="/nowhere")
    assert done.returncode == 1
    assert "===" not in done.stdout
    for name in ("OS_CLOUD", "OPENSTACK_BENCH", "WITHOUT_OPENSTACK=1"):
        assert name in done.stderr
        assert name in (ROOT / "README.md").read_text()


def test_all_missing_tools_are_named_together(tmp_path: Path) -> None:
    script = functions("install", "missing") + "\ninstall $(missing)"
    done = bash(script, tmp_path, PATH=str(tmp_path), SBIN="")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == (
        ".ci/run: missing here: python3-venv diffutils curl git make nodejs npm openssl "
        "procps postgresql-client chromium nginx-light wrk"
    )


@pytest.mark.parametrize(
    ("service", "said"),
    [("exit 1", "does not start"), ("exit 0", "does not answer on port")],
)
def test_a_broker_that_does_not_start_fails_the_run(
    service: str, said: str, tmp_path: Path
) -> None:
    stub = tmp_path / "service"
    stub.write_text(f"#!/bin/sh\n{service}\n")
    stub.chmod(0o755)
    port = free_port()
    script = "root=()\n" + functions("install", "host_and_port", "answers", "serve")
    script = script.replace("/etc/init.d/", f"{tmp_path}/")
    script += f"\nserve AMQP_URL {port} rabbitmq-server service"
    done = bash(
        script,
        tmp_path,
        AMQP_URL=f"amqp://guest@127.0.0.1:{port}//",
        PATH=f"{tmp_path}:{os.environ['PATH']}",
        START_SECONDS="1",
    )
    assert done.returncode == 1
    assert said in done.stderr


def test_a_broker_elsewhere_that_does_not_answer_fails_the_run(tmp_path: Path) -> None:
    script = functions("install", "host_and_port", "answers", "serve")
    script += "\nserve AMQP_URL 5672 rabbitmq-server rabbitmq-server"
    done = bash(script, tmp_path, AMQP_URL=f"amqp://127.0.0.1:{free_port()}//")
    assert done.returncode == 1
    assert "nothing answers at AMQP_URL" in done.stderr


FLAKY = """
import pathlib
marks = pathlib.Path("marks")

def test_steady(): pass

def test_flaky():
    ran_before = marks.exists()
    marks.touch()
    assert ran_before
"""
BROKEN = "def test_broken(): assert False"


@pytest.mark.parametrize(
    ("tests", "ends", "said"),
    [
        ("def test_steady(): pass", 0, ""),
        (FLAKY, 0, "needed a second run:\ntest_it.py::test_flaky\n"),
        (BROKEN, 1, "failed twice"),
        ("import nothing_of_the_kind", 1, "failed twice"),
    ],
)
def test_what_fails_has_a_second_chance_and_is_named(
    tests: str, ends: int, said: str, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parent.parent)
    (tmp_path / "test_it.py").write_text(tests)
    pytest_here = f"{sys.executable} -m pytest -q test_it.py"
    script = functions("twice") + f"\ntwice tests here {pytest_here}"
    done = bash(script, tmp_path, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    assert done.returncode == ends, done.stdout
    assert said in done.stdout + done.stderr
    runs = len(re.findall(r"^.*in [\d.]+s", done.stdout, re.MULTILINE))
    assert runs == (2 if said else 1)


def test_what_cannot_be_run_has_no_second_chance(tmp_path: Path) -> None:
    done = bash(functions("twice") + "\ntwice tests here false", tmp_path)
    assert done.returncode == 1
    assert "could not be run" in done.stderr
