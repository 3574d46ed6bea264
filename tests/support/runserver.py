"""The service as `make run` runs it, as a process of a test's own."""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.deployed import ROOT, eventually, free_port, listening, run


@dataclass
class Served:
    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def listens(self) -> None:
        eventually(lambda: listening(self.port), what="serving", log=self.log)

    def says(self, words: str) -> None:
        eventually(lambda: words in self.log.read_text(), what=words, log=self.log)


def environment(data: Path) -> dict[str, str]:
    return {
        "PATH": str(Path(sys.executable).parent),
        "DATA_DIR": str(data),
        "CLOUDS": f"default=mock://?delay=0&path={data / 'default.sqlite3'},"
        f"slow=mock://?path={data / 'slow.sqlite3'}",
    }


def migrate(data: Path) -> None:
    done = run(["python", "manage.py", "migrate", "-v", "0"], environment(data))
    assert done.returncode == 0, done.stderr


RUNSERVER = (sys.executable, "manage.py", "runserver", "--noreload")
#: Without a loop, and so without streams.
WSGI = (
    *(
        "/usr/bin/env",
        "DEBUG=true",
        "granian",
        "--interface",
        "wsgi",
        "--host",
        "127.0.0.1",
    ),
    *("vmmanager.wsgi:application", "--port"),
)


@contextmanager
def serving(
    data: Path, *, command: Sequence[str] = RUNSERVER, port: int | None = None
) -> Iterator[Served]:
    """Serve from a folder for the time of the block; by a command that takes a port."""
    port, log = port or free_port(), data / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [*command, str(port)],
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
