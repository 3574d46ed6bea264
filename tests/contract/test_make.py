"""What `make run` and `make test` install, told by make itself, which only says so."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUN, DEV = "requirements-run.lock", "requirements-dev.lock"

pytestmark = pytest.mark.once

NEW, RUNTIME, TOOLS = "new environment", f"install {RUN}", f"install {DEV}"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    for name in ("Makefile", RUN, DEV):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def would_do(clone: Path, target: str) -> list[str]:
    """Return what a target would do to the environment."""
    done = subprocess.run(  # noqa: S603  # our own Makefile
        ["make", "--dry-run", "--no-print-directory", target],  # noqa: S607  # whichever there is
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(
        r"-m venv --clear|pip install .*--requirement (\S+)", done.stdout
    )
    return [f"install {lock}" if lock else NEW for lock in found]


def installed(clone: Path, *, tools: bool) -> None:
    """Leave the stamps of an environment that was made from these locks."""
    (clone / ".venv").mkdir()
    shutil.copy(clone / RUN, clone / ".venv/runtime")
    if tools:
        shutil.copy(clone / DEV, clone / ".venv/lock")


def change(lock: Path) -> None:
    with lock.open("a") as file:
        file.write("changed==1\n")


def test_a_first_run_installs_what_the_service_needs_and_no_more(clone: Path) -> None:
    assert would_do(clone, "run") == [NEW, RUNTIME]


def test_a_first_test_installs_everything_at_once(clone: Path) -> None:
    assert would_do(clone, "test") == [NEW, TOOLS]


def test_the_tools_are_added_to_what_run_installed(clone: Path) -> None:
    installed(clone, tools=False)
    assert would_do(clone, "run") == []
    assert would_do(clone, "test") == [TOOLS]


def test_with_the_tools_nothing_is_installed_again(clone: Path) -> None:
    installed(clone, tools=True)
    assert would_do(clone, "test") == would_do(clone, "run") == []


def test_a_changed_lock_makes_a_new_environment(clone: Path) -> None:
    installed(clone, tools=True)
    change(clone / DEV)
    assert would_do(clone, "run") == []
    assert would_do(clone, "test") == [NEW, TOOLS]
    change(clone / RUN)
    assert would_do(clone, "run") == [NEW, RUNTIME]
    assert would_do(clone, "test") == [NEW, TOOLS]


def test_the_tools_come_with_the_versions_of_the_service() -> None:
    pin = re.compile(r"^([a-z0-9-]+==[^ ]+)", re.MULTILINE)
    pins = {name: set(pin.findall((ROOT / name).read_text())) for name in (RUN, DEV)}
    assert pins[RUN]
    assert pins[RUN] <= pins[DEV]
