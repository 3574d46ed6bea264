"""`make secrets`, which is part of `make lint`, lets no secret into the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("Makefile", ".secrets.baseline"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)  # noqa: S603, S607  # our own command
    return tmp_path


def scan(repository: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # our own command
        # The environment is there already: this one.
        ["make", "-o", ".venv/lock", f"BIN={Path(sys.executable).parent}", "secrets"],  # noqa: S607
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )


# Cut in two, so that this file passes.
@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("AKIA" + "X7Q2M9ZK4LWT8RBV", "AWS Access Key"),
        ("-----BEGIN RSA " + "PRIVATE KEY-----", "Private Key"),
        ("pass" + 'word = "k9-Fjord-lantern"', "Secret Keyword"),
        ("postgres://vm:" + "k9-Fjord@db.example.org/vm", "Basic Auth Credentials"),
        ("token: ghp_" + "a1B2c3D4e5F6g7H8i9" + "J0k1L2m3N4o5P6q7R8", "GitHub Token"),
    ],
)
def test_a_new_file_with_a_secret_fails(repository: Path, line: str, kind: str) -> None:
    (repository / "notes.yml").write_text(f"one: 1\n{line}\n")
    done = scan(repository)
    assert done.returncode != 0
    assert f"Secret Type: {kind}\nLocation:    notes.yml:2" in done.stdout, done.stderr


def test_a_line_that_says_that_it_is_none_passes(repository: Path) -> None:
    line = "pass" + 'word = "k9-Fjord-lantern"  # pragma: allowlist secret\n'
    (repository / "notes.py").write_text(line)
    done = scan(repository)
    assert done.returncode == 0, done.stdout + done.stderr
