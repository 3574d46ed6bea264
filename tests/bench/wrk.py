"""Load by wrk, which costs little beside what it measures."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.processes import HOST, Process

CONNECTIONS = 4


#: Sends the lines of a file; it says how they look.
SCRIPT = Path(__file__).with_name("requests.lua")


@dataclass(frozen=True, slots=True)
class Load:
    """What a process got through."""

    count: int
    per_second: float
    #: Processor time of it and its workers for each request, in milliseconds.
    cpu_ms: float
    #: How many of the answers were neither 2xx nor 3xx.
    refused: int


def require() -> str:
    """Return where wrk is. Ends the program where it is missing."""
    path = shutil.which("wrk")
    if path is None:
        raise SystemExit("make bench needs wrk: apt-get install wrk")
    return path


def load(
    process: Process,
    path: str = "/",
    *,
    seconds: float,
    bearer: str = "",
    connections: int = CONNECTIONS,
    script: Sequence[str] = (),
    may_refuse: bool = False,
) -> Load:
    """Send requests over a few open connections, each as soon as it has an answer.

    ``script`` are the arguments of `SCRIPT`, which knows what to send; without, it is
    one path. Ends the program if a request has no answer or is refused.
    """
    command = [
        *(require(), "--threads", "1", "--connections", str(connections)),
        *("--duration", f"{seconds:.0f}s", "--timeout", "10s"),
        *(("--header", f"Authorization: Bearer {bearer}") if bearer else ()),
        *(("--script", str(SCRIPT)) if script else ()),
        f"http://{HOST}:{process.port}{path}",
        *(("--", *script) if script else ()),
    ]
    before = process.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  # our own
    used = process.cpu_seconds() - before
    count = re.search(r"(\d+) requests in", done.stdout)
    per_second = re.search(r"Requests/sec: +([\d.]+)", done.stdout)
    if done.returncode != 0 or count is None or per_second is None:
        raise SystemExit(f"wrk: {done.stderr or done.stdout}")
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", done.stdout)
    broken = re.search(r"Socket errors: .*", done.stdout)
    if broken or (refused and not may_refuse):
        raise SystemExit(f"{path}: {(broken or refused)[0]}")  # type: ignore[index]
    return Load(
        int(count[1]),
        float(per_second[1]),
        used * 1000 / int(count[1]),
        int(refused[1]) if refused else 0,
    )


def line(
    path: str, bearer: str = "", *, method: str = "GET", etag: str = "", body: str = ""
) -> str:
    """Return a line of a file for `SCRIPT`."""
    return "\t".join((method, path, bearer, etag, body)) + "\n"
