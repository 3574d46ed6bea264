"""A worker outlives a restart of Redis, with work in its hands too."""

import sqlite3
import time
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from providers.base import Flavor
from providers.mock import MockProvider
from tests.deployed import (
    command_of,
    environment,
    eventually,
    free_port,
    redis_at,
    run,
    running,
)
from tests.readme import BROKER

_, BARE, _ = BROKER.splitlines()
#: Long enough to restart Redis meanwhile.
CALL_SECONDS = 4.0


REFRESH = ["celery", "--app", "vmmanager", "call", "compute.tasks.refresh_catalog"]
REFRESH += ["--args", '["default"]', "--queue", "cloud.default"]


def count(table: str, database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        (found,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608  # ours
    return int(found)


@pytest.mark.e2e
@pytest.mark.broker
@pytest.mark.slow
@pytest.mark.parametrize("command", [command_of("worker"), BARE.split()])
def test_a_worker_with_work_in_its_hands_outlives_a_restart_of_redis(
    command: list[str], tmp_path: Path
) -> None:
    port = free_port()
    env = environment(
        tmp_path,
        database_url=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        redis_url=f"redis://127.0.0.1:{port}/0",
        clouds="default=mock://",
    )
    assert run(command_of("migrate"), env).returncode == 0
    cloud = MockProvider(path=str(tmp_path / "data" / "mock-default.sqlite3"))
    cloud.inject("list_flavors", kind="slow", delay=CALL_SECONDS)
    redis, log = tmp_path / "redis", tmp_path / "worker.log"
    redis.mkdir()
    with ExitStack() as stack:
        with redis_at(port, redis):
            words = [Path(command[0]).name, *command[1:]]
            worker = stack.enter_context(running(words, env=env, log=log))
            assert run(REFRESH, env).returncode == 0
            eventually(
                lambda: not count("faults", tmp_path / "data/mock-default.sqlite3"),
                what="the call",
                log=log,
            )
        stack.enter_context(redis_at(port, redis))
        cloud.put_flavor(Flavor(id="late", name="late", vcpus=1, ram_mb=1, disk_gb=1))
        time.sleep(CALL_SECONDS)
        assert run(REFRESH, env).returncode == 0
        eventually(
            lambda: (
                count("compute_flavor WHERE name = 'late'", tmp_path / "db.sqlite3") > 0
            ),
            what="the next task",
            log=log,
        )
        assert worker.poll() is None
