"""Told to stop, a server answers what waits: 202, and where its operation is."""

import time
from pathlib import Path

import pytest

from tests.support.serving import MARKS, NEW, Crowd, Ground, served

pytestmark = MARKS


@pytest.mark.parametrize("kind", ["wsgi", "asgi", "asginl", "runserver"])
def test_waits_end_with_the_operation_they_wait_for(
    kind: str, ground: Ground, tmp_path: Path
) -> None:
    with served(kind, ground, tmp_path) as service:
        waits = Crowd()
        waits.add(2, lambda: service.api("POST", "/vms", NEW, Prefer="wait=25"))
        time.sleep(1.5)
        begun = time.monotonic()
        service.process.terminate()
        assert service.process.wait(timeout=20) == 0
        assert time.monotonic() - begun < 8
        for answer in waits.all():
            assert answer.status == 202
            assert "Operation-Location" in answer.headers
            assert answer.seconds < 10
        assert service.complaints() == []


def test_a_server_that_is_stopped_while_it_starts_is_gone_at_once(
    ground: Ground, tmp_path: Path
) -> None:
    with served("wsgi", ground, tmp_path, ready=False) as service:
        while "Spawning worker-2" not in service.log.read_text():
            time.sleep(0.01)
        time.sleep(0.3)
        service.process.terminate()
        service.process.wait(timeout=15)
