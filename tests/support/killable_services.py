"""Services of compose.yaml as processes that may be killed, and are started again."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.support.deployed import (
    ROOT,
    command_of,
    eventually,
    free_port,
    listening,
    own_environment,
)

NAMES = ("api", "stream", "worker", "beat")


class Service:
    """One service, by its command and its own environment."""

    def __init__(self, name: str, env: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self.port = free_port()
        self._env = {**env, **own_environment(name)}
        #: How much of the log earlier processes have written.
        self._earlier = 0
        #: Of those who kill it: each kills another process.
        self._lock = threading.Lock()
        self._process = self._started()

    def await_ready(self) -> None:
        eventually(self._is_ready, what=f"{self.name} being ready", log=self.log)

    def kill(self) -> None:
        """Kill it once it is ready, and start another."""
        with self._lock:
            self.await_ready()
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = self._started()

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise

    def _started(self) -> "subprocess.Popen[bytes]":
        self._earlier = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603  # from our own files
                command_of(self.name, _8000=str(self.port)),
                cwd=ROOT,
                env=self._env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _is_ready(self) -> bool:
        if self.name == "worker":
            return b" ready." in self.log.read_bytes()[self._earlier :]
        return self.name == "beat" or listening(self.port)


@contextmanager
def services(env: Mapping[str, str], folder: Path) -> Iterator[dict[str, Service]]:
    """Run all of them, on ports of this machine, for the time of the block."""
    with ExitStack() as stack:
        running = {}
        for name in NAMES:
            running[name] = Service(name, env, folder)
            stack.callback(running[name].stop)
        for service in running.values():
            service.await_ready()
        yield running
