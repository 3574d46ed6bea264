"""What gets into the image."""

import re
import subprocess
from pathlib import PurePosixPath

import pytest

from tests.support.deployed import DOCKERFILE, ROOT

pytestmark = pytest.mark.once

RULES = [
    line
    for line in (ROOT / ".dockerignore").read_text().splitlines()
    if line and not line.startswith("#")
]


def pattern(rule: str) -> re.Pattern[str]:
    """Return a rule of .dockerignore, which also stands for what is below it."""
    parts = re.split(r"(\*\*/|\*\*|\*)", rule.removeprefix("!"))
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*"}
    return re.compile(
        "".join(meaning.get(it, re.escape(it)) for it in parts) + "(/.*)?"
    )


def gets_in(path: str) -> bool:
    """Whether a file is sent to the builder: the last rule that matches decides."""
    last = [rule for rule in RULES if pattern(rule).fullmatch(path)][-1]
    return last.startswith("!")


def test_everything_that_the_service_is_made_of_gets_in() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "compute", "providers", "vmmanager", "manage.py"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = listed.stdout.splitlines()
    assert len(files) > 100
    assert [file for file in files if not gets_in(file)] == []


@pytest.mark.parametrize("folder", ["", "compute/", "compute/api/", "vmmanager/var/"])
@pytest.mark.parametrize(
    "name",
    [
        *(".env", ".env.production", "db.sqlite3", "db.sqlite3-wal", "clouds.yaml"),
        *("secure.yaml", "secret_key", "admin_password", "key.pem", "dump.sql"),
        *("__pycache__/models.cpython-311.pyc", ".git/config"),
    ],
)
def test_no_secret_and_no_state_gets_in_from_anywhere(folder: str, name: str) -> None:
    assert not gets_in(folder + name)


def test_the_last_stage_takes_only_what_was_made_for_it() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    copied = re.findall(r"^COPY .*?(--from=builder)?.* (\S+) \S+$", last, re.MULTILINE)
    assert {PurePosixPath(source) for _, source in copied} == {
        PurePosixPath(path) for path in ("/venv", "/app")
    }
    assert "pip uninstall" in last


def test_what_only_runserver_needs_is_not_in_it() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    names = set(re.findall(r"^([a-z0-9-]+)==", lock, re.MULTILINE))
    assert "granian" in names
    assert names.isdisjoint({"twisted", "autobahn", "daphne", "channels", "pip"})


def test_its_base_is_debian_trixie() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert {base.rpartition("-")[2] for base in bases} == {"trixie"}
