"""What is measured: this service and its peer, each as one process of its own."""

import http.client
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
PEER_PYTHON = Path(os.environ.get("PEER_PYTHON", ROOT / ".venv-peer/bin/python"))
START_SECONDS = 30
UNLIMITED = "100000000/60 second"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
BYTES_PER_PAGE = os.sysconf("SC_PAGE_SIZE")

#: What a process needs of the caller's environment. The rest, such as a broker or a
#: cache of the caller's own, shall not decide what is measured.
KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ")


@dataclass(frozen=True, slots=True)
class Process:
    """A server that listens, with the workers that it has started."""

    port: int
    pid: int

    def get(self, path: str, bearer: str = "") -> dict[str, Any]:
        """Return the document of a read that must succeed."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return self.send("GET", path, headers=headers)

    def send(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return the document of a request that must succeed."""
        connection = http.client.HTTPConnection(HOST, self.port)
        content = None if body is None else json.dumps(body)
        sent = {"Content-Type": "application/json", **headers}
        connection.request(method, path, content, sent)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        if response.status >= 300:
            raise SystemExit(f"{method} {path}: {response.status} {text}")
        document: dict[str, Any] = json.loads(text)
        return document

    def cpu_seconds(self) -> float:
        """Return the processor time that it and its workers have used so far."""
        ticks = 0
        for pid in _family(self.pid):
            # The name in parentheses, the second field, may hold spaces.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            user, system = fields[11:13]
            ticks += int(user) + int(system)
        return ticks / TICKS_PER_SECOND

    def resident_bytes(self) -> int:
        """Return the memory of the one process of them that answers requests."""
        return max(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * BYTES_PER_PAGE
            for pid in _family(self.pid)
        )


def _family(pid: int) -> list[int]:
    pids = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that has ended meanwhile
            for child in (task / "children").read_text().split():
                pids += _family(int(child))
    return pids


def environment(folder: Path, database_url: str, **more: str) -> dict[str, str]:
    """Return the environment of this service in production, over a database.

    Limits count every request and refuse none. No broker is named, so that nobody
    performs what is accepted.
    """
    return {
        **{name: value for name, value in os.environ.items() if name in KEPT},
        "DATA_DIR": str(folder),
        "STATIC_ROOT": str(folder),
        "DATABASE_URL": database_url,
        "CONN_MAX_AGE": "60",  # for SQLite; PostgreSQL has a pool
        "DEBUG": "false",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": HOST,
        "SECURE_SSL_REDIRECT": "false",
        "LOG_LEVEL": "ERROR",
        "RATE_LIMIT": UNLIMITED,
        "RATE_LIMIT_POLL": UNLIMITED,
        "RATE_LIMIT_AUTH": UNLIMITED,
        **more,
    }


def manage(env: Mapping[str, str], *arguments: str) -> str:
    """Run one of the service's own commands; return what it prints."""
    return run([sys.executable, "manage.py", *arguments], env)


def shell(env: Mapping[str, str], code: str) -> str:
    """Run code of ours in a process like the service's; return what it prints."""
    return manage(env, "shell", "--verbosity", "0", "-c", code)


def run(command: list[str], env: Mapping[str, str], *, lines: str = "") -> str:
    done = subprocess.run(  # noqa: S603  # our own commands
        command, cwd=ROOT, env=env, input=lines, text=True, stdout=subprocess.PIPE
    )
    if done.returncode != 0:
        raise SystemExit(f"failed: {' '.join(command[:4])}")
    return done.stdout


@contextmanager
def ours(env: Mapping[str, str]) -> Iterator[Process]:
    """Serve with one process of granian that answers in four threads."""
    port = free_port()
    command = [
        *(sys.executable, "-m", "granian", "--interface", "wsgi"),
        *("--host", HOST, "--port", str(port), "--log-level", "warning"),
        *("--workers", "1", "--blocking-threads", "4", "vmmanager.wsgi:application"),
    ]
    with served(command, env, port) as process:
        yield process


@contextmanager
def runserver(env: Mapping[str, str]) -> Iterator[Process]:
    """Serve as `make run` does, with the embedded worker."""
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"{HOST}:{port}"]
    with served(command, env, port) as process:
        yield process


@contextmanager
def peer(env: Mapping[str, str]) -> Iterator[Process]:
    """Serve the peer with one process of uvicorn."""
    port = free_port()
    command = [
        *(str(PEER_PYTHON), "-m", "uvicorn", "--host", HOST, "--port", str(port)),
        *("--no-access-log", "--log-level", "warning", "tests.peer.main:app"),
    ]
    with served(command, env, port) as process:
        yield process


@contextmanager
def served(command: list[str], env: Mapping[str, str], port: int) -> Iterator[Process]:
    process = subprocess.Popen(  # noqa: S603  # our own command
        command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(START_SECONDS * 10):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    break
            time.sleep(0.1)
        yield Process(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
