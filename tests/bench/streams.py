"""A thousand streams on one process: how late the last has an event, and what one costs.

The service is run by the command of compose.yaml, its clients are in a second process,
half by server-sent events, half by WebSocket, and a third one commits.
"""

import json
import resource
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.databases import new_database
from tests.bench.processes import (
    ROOT,
    Process,
    environment,
    free_port,
    manage,
    served,
    shell,
)
from tests.bench.report import say, table
from tests.support.deployed import COMPOSE, command_of, own_environment

SOCKETS = 1_000
STALLED = 50
#: Events that are timed, and seconds between them.
EVENTS, PAUSE = 200, 0.25
#: Seconds that nothing happens.
IDLE = 20.0
APPLICATION = "vmmanager.asgi:application"
MOST_MS, MOST_BYTES = 250, 2_048
#: Seconds until a reader that reads nothing must be gone.
MOST_STALLED = 60.0
#: How all services of compose.yaml have their memory.
MALLOC: Mapping[str, str] = {
    name: value
    for name, value in COMPOSE["x-service"]["environment"].items()
    if name.startswith("MALLOC_")
}

#: Makes an admin of the default project, and prints an API token.
ADMIN = """
from compute.events import Actor
from compute.models import Membership, Project, Role, User
from compute.services import tokens
project = Project.objects.default()
user = User.objects.create(username="bench")
Membership.objects.create(user=user, project=project, role=Role.ADMIN)
print(tokens.create(user=user, project=project, role=Role.ADMIN, name="bench",
                    actor=Actor("system"), expires_at=None)[1])
"""
#: Changes VMs, one after the other; prints the sequence of each event, and when it was
#: there for all to read.
COMMITS = """
import json, time
from compute.events import Actor
from compute.models import VM, Project
from compute.services import vms
ids = list(VM.objects.filter(project=Project.objects.default()).values_list("pk", flat=True))
done = []
for number in range({events}):
    vms.update(VM.objects.get(pk=ids[number % len(ids)]), actor=Actor("system"),
               changes={{"labels": {{"at": str(time.monotonic_ns())}}}})
    now = time.monotonic()
    done.append([Project.objects.default().event_sequence, now])
    time.sleep({pause})
print(json.dumps(done))
"""


class Clients:
    """The process of `stream_clients`."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, *words: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def open(self, count: int) -> None:
        """Open so many, half of each kind, which must all be let in."""
        statuses = self.ask("open", count - count // 2, count // 2)
        if statuses != ["101", "200"]:
            raise SystemExit(f"not all were let in: {statuses}")


class _Departures:
    """After how many seconds connections end, as the server's kernel has it.

    It tells the other side nothing when it gives one up.
    """

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self._over = threading.Event()
        self._seconds: list[float] = []
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "_Departures":
        self._begun, self._most = time.monotonic(), self._open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def all(self) -> list[float]:
        """Return them once all have ended."""
        while len(self._seconds) < self._count:
            if time.monotonic() > self._begun + 2 * MOST_STALLED:
                raise SystemExit(f"{len(self._seconds)} of {self._count} were closed")
            time.sleep(0.5)
        return self._seconds

    def _watch(self) -> None:
        while not self._over.wait(0.25):
            gone = self._most - self._open() - len(self._seconds)
            self._seconds += [time.monotonic() - self._begun] * gone

    def _open(self) -> int:
        own, established = f":{self._port:04X}", "01"
        lines = Path("/proc/net/tcp").read_text().splitlines()
        return sum(
            fields[1].endswith(own) and fields[3] == established
            for fields in map(str.split, lines)
        )


def measure(
    server_url: str,
    folder: Path,
    *,
    sockets: int = SOCKETS,
    stalled: int = STALLED,
    events: int = EVENTS,
    idle: float = IDLE,
) -> None:
    """Print what streams cost, and how late they are."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with new_database(server_url, folder, "streams") as url:
        env = environment(folder, url, **own_environment("stream"), **MALLOC)
        env["STREAM_MAX_CONNECTIONS"] = str(4 * (sockets + stalled))
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "seed_demo", "--vms", "50")
        token = shell(env, ADMIN).strip()
        bare = _memory(env, "tests.bench.bare_streams:application", token, sockets)
        ours = _memory(env, APPLICATION, token, sockets)
        with (
            _streams(env, APPLICATION) as process,
            _clients(process, token) as clients,
        ):
            clients.open(sockets)
            before = process.cpu_seconds()
            time.sleep(idle)
            cpu = (process.cpu_seconds() - before) / idle
            before = process.cpu_seconds()
            begun = time.monotonic()
            alone = _lateness(env, clients, sockets, events)
            used = process.cpu_seconds() - before - cpu * (time.monotonic() - begun)
            clients.ask("stall", stalled - stalled // 2, stalled // 2)
            with _Departures(process.port, stalled) as departures:
                beside = _lateness(env, clients, sockets, events)
                gone = departures.all()
            lost = clients.ask("seen")["lost"]
    table(
        f"{sockets:,} sockets on one process, on"
        f" {'PostgreSQL' if server_url else 'SQLite'}",
        ("", "measured", "goal"),
        [
            ("commit to last socket, p50, ms", f"{_share(alone, 50):.0f}", ""),
            ("p99, ms", f"{_share(alone, 99):.0f}", f"<= {MOST_MS}"),
            ("most, ms", f"{max(alone):.0f}", ""),
            (
                f"p99 beside {stalled} that read nothing, ms",
                f"{_share(beside, 99):.0f}",
                f"<= {MOST_MS}",
            ),
            (
                "these are closed after, s",
                f"{min(gone):.0f} to {max(gone):.0f}" if gone else "",
                f"<= {MOST_STALLED:.0f}",
            ),
            ("others that were closed", str(lost), "0"),
            ("memory of an idle socket, bytes", f"{ours:.0f}", ""),
            ("of these the server's own", f"{bare:.0f}", ""),
            ("ours", f"{ours - bare:.0f}", f"<= {MOST_BYTES}"),
            ("processor while idle, s/s", f"{cpu:.3f}", ""),
            ("processor for one event to all, ms", f"{used / events * 1000:.0f}", ""),
        ],
    )
    say(f"{events} events each, one every {PAUSE:.2f} s.")


def _memory(
    env: Mapping[str, str], application: str, token: str, sockets: int
) -> float:
    """Return the bytes that each idle socket takes.

    Of as many again as there are: the first take what was needed to open them, too.
    """
    with _streams(env, application) as process, _clients(process, token) as clients:
        clients.open(sockets)
        time.sleep(1)
        before = process.resident_bytes()
        clients.open(sockets)
        time.sleep(1)
        return (process.resident_bytes() - before) / sockets


def _lateness(
    env: Mapping[str, str], clients: Clients, sockets: int, events: int
) -> list[float]:
    """Return for each of some commits the milliseconds until the last socket had it."""
    code = COMMITS.format(events=events, pause=PAUSE)
    committed = json.loads(shell(env, code))
    time.sleep(1)
    seen: dict[str, tuple[int, float]] = clients.ask("seen")["times"]
    late = []
    for sequence, at in committed:
        count, last = seen[str(sequence)]
        if count != sockets:
            raise SystemExit(f"{count} of {sockets} sockets have event {sequence}")
        late.append((last - at) * 1000)
    return late


def _share(milliseconds: list[float], percent: int) -> float:
    return statistics.quantiles(milliseconds, n=100, method="inclusive")[percent - 1]


@contextmanager
def _streams(env: Mapping[str, str], application: str) -> Iterator[Process]:
    port = free_port()
    replaced = {
        "_uvicorn": str(Path(sys.executable).with_name("uvicorn")),
        "_8000": str(port),
        f"_{APPLICATION}": application,
    }
    command = [*command_of("stream", **replaced), "--log-level", "warning"]
    with served(command, env, port) as process:
        yield process


@contextmanager
def _clients(process: Process, token: str) -> Iterator[Clients]:
    command = [sys.executable, "-m", "tests.bench.stream_clients", str(process.port)]
    with subprocess.Popen(  # noqa: S603  # our own command
        [*command, token],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield Clients(running)
        finally:
            running.terminate()
