"""What is told to stop stops, and finishes what it does."""

import re
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.support.deployed import (
    COMPOSE,
    command_of,
    environment,
    eventually,
    free_port,
    interpolated,
    redis_at,
    run,
    running,
)
from tests.support.refreshing import CALL_SECONDS, REFRESH, Refreshing

pytestmark = pytest.mark.once

OURS = ("api", "stream", "worker", "beat")


def grace(service: str) -> int:
    """Return the seconds that compose gives a service before it kills it."""
    text = interpolated(COMPOSE["services"][service]["stop_grace_period"], {})
    seconds = re.fullmatch(r"(\d+)s", text)
    assert seconds
    return int(seconds[1])


@pytest.mark.parametrize("service", OURS)
def test_a_request_that_waits_fits_into_the_grace(service: str) -> None:
    assert grace(service) >= 30 + 5


def test_a_step_of_two_calls_to_a_cloud_that_hangs_fits_into_the_grace() -> None:
    assert grace("worker") >= 2 * 60 + 10


@pytest.mark.parametrize("service", ["migrate", *OURS])
def test_an_init_passes_the_signal_on(service: str) -> None:
    assert COMPOSE["services"][service]["init"] is True


@pytest.mark.e2e
@pytest.mark.slow
def test_all_end_within_seconds_of_a_signal_at_their_start(tmp_path: Path) -> None:
    """Here without a broker, which makes ending harder for a worker and a beat."""
    env = environment(
        tmp_path,
        database_url=f"sqlite:///{tmp_path / 'db.sqlite3'}",
        redis_url=f"redis://127.0.0.1:{free_port()}/0",
        clouds="default=mock://",
    )
    for seconds in (1.0, 6.0):
        with ExitStack() as stack:
            started = {
                service: stack.enter_context(
                    running(
                        command_of(service, _8000=str(free_port())),
                        env=env,
                        log=tmp_path / f"{service}.log",
                    )
                )
                for service in OURS
            }
            time.sleep(seconds)
            for process in started.values():
                process.terminate()
            for process in started.values():
                process.wait(timeout=8)
    assert "Traceback" not in (tmp_path / "beat.log").read_text()


@pytest.mark.e2e
@pytest.mark.broker
@pytest.mark.slow
def test_a_worker_finishes_its_call_to_the_cloud(tmp_path: Path) -> None:
    port = free_port()
    site = Refreshing(tmp_path, port)
    log = tmp_path / "worker.log"
    with (
        redis_at(port, tmp_path / "redis"),
        running(command_of("worker"), env=site.env, log=log) as worker,
    ):
        assert run(REFRESH, site.env).returncode == 0
        eventually(site.calls, what="the call", log=log)
        worker.terminate()
        assert worker.wait(timeout=CALL_SECONDS + 10) == 0
        assert "m1.small" in site.flavors()
        with redis.Redis(port=port, db=14) as broker:
            assert not broker.hlen("unacked")
