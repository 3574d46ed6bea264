"""A worker of the server is killed: the service goes on, and it gets another."""

import os
import re
import signal
import time
from pathlib import Path

from tests.support.serving import MARKS, Ground, Service, served

pytestmark = MARKS


def workers(service: Service) -> list[int]:
    pids = re.findall(r"Spawning worker-\d+ with PID: (\d+)", service.log.read_text())
    return [int(pid) for pid in pids]


def test_a_killed_worker_is_replaced(ground: Ground, tmp_path: Path) -> None:
    with served("api", ground, tmp_path) as service:
        before = workers(service)
        os.kill(before[0], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while len(workers(service)) == len(before):
            assert time.monotonic() < deadline, service.log.read_text()
            time.sleep(0.1)
        service.await_health()
        assert service.slowest("/api/v1/vms") < 5
        assert service.process.poll() is None
