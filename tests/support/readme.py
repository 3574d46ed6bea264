"""The README's commands, and its service as a process."""

import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
#: What runs until it is stopped: a curl, and a mirror in Python.
(FOLLOW,) = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
MIRROR, RECEIVER = re.findall(
    r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL
)
#: What follows in a browser.
(FOLLOW_IN_BROWSER,) = re.findall(
    r"^```js\n(.*?)^```", README, re.MULTILINE | re.DOTALL
)
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
RUN, TEST, *TRY, KEY, LOGIN, RUN_OPENSTACK, SHARED, IMPORT = BLOCKS[:-7]
NETWORK = next(block for block in TRY if "$H/networks" in block)
UP, BACKUP, RESTORE, COPY, UPGRADE, BROKER, TEST_OPENSTACK = BLOCKS[-7:]


@contextmanager
def served(
    tmp_path: Path, *, command: str = RUN, clouds: str = "default=mock://"
) -> Iterator[tuple[int, dict[str, str]]]:
    """Serve on a free port, with all state in a folder, as the README says."""
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
        "CLOUDS": clouds,
    }
    log = tmp_path / "run.log"
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S602  # the README's own line
            command,
            shell=True,
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_for(port, log)
            yield port, environment
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(30)


def _wait_for(port: int, log: Path) -> None:
    for _ in range(300):
        try:
            with urlopen(f"http://127.0.0.1:{port}/health"):
                return
        except URLError:
            time.sleep(0.2)
    raise AssertionError(f"make run does not answer:\n{log.read_text()}")


def bash(script: str, environment: dict[str, str]) -> str:
    """Run lines of the README as they stand and return what they say."""
    done = subprocess.run(  # noqa: S603  # the README's own lines
        ["bash", "-euo", "pipefail", "-c", script],  # noqa: S607
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@contextmanager
def following(
    command: list[str], environment: dict[str, str], said: Path
) -> Iterator[Path]:
    """Run for the time of the block what does not end by itself; yield what it says."""
    with (
        said.open("w") as output,
        subprocess.Popen(  # noqa: S603  # the README's own lines
            command, env=environment, stdout=output, start_new_session=True
        ) as process,
    ):
        try:
            yield said
            assert process.poll() is None, said.read_text()
        finally:
            os.killpg(process.pid, signal.SIGTERM)
