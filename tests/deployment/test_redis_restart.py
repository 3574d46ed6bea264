"""A worker outlives a restart of Redis, with work in its hands too."""

import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from providers.contract.flavors import Flavor
from tests.support.deployed import (
    command_of,
    eventually,
    free_port,
    redis_at,
    run,
    running,
)
from tests.support.readme import BROKER
from tests.support.refreshing import CALL_SECONDS, REFRESH, Refreshing

pytestmark = pytest.mark.once

_, BARE, _ = BROKER.splitlines()


@pytest.mark.e2e
@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("command", [command_of("worker"), BARE.split()])
def test_a_worker_with_work_in_its_hands_outlives_a_restart_of_redis(
    command: list[str], tmp_path: Path
) -> None:
    port = free_port()
    site = Refreshing(tmp_path, port)
    log = tmp_path / "worker.log"
    # The worker ends before its Redis does.
    with ExitStack() as brokers, ExitStack() as workers:
        with redis_at(port, tmp_path / "redis"):
            words = [Path(command[0]).name, *command[1:]]
            worker = workers.enter_context(running(words, env=site.env, log=log))
            assert run(REFRESH, site.env).returncode == 0
            eventually(site.calls, what="the call", log=log)
        brokers.enter_context(redis_at(port, tmp_path / "redis"))
        site.cloud.controls.put_flavor(
            Flavor("late", "late", vcpus=1, ram_mb=1, disk_gb=1)
        )
        time.sleep(CALL_SECONDS)
        assert run(REFRESH, site.env).returncode == 0
        eventually(lambda: "late" in site.flavors(), what="the next task", log=log)
        assert worker.poll() is None
