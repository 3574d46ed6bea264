"""Whatever the OpenAPI file allows, and what it forbids, sent to a running service."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parents[2]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[str]:
    """Serve the API, worker included, with a mock cloud that answers at once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "DATA_DIR": str(tmp_path),
        "CLOUDS": "default=mock://?delay=0",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "DJANGO_SETTINGS_MODULE": "vmmanager.settings",
        "LOG_LEVEL": "WARNING",
    }
    manage = [sys.executable, "manage.py"]
    subprocess.run(  # noqa: S603  # our own command
        [*manage, "migrate", "--verbosity", "0"], cwd=ROOT, env=environment, check=True
    )
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603  # our own command
            [*manage, "runserver", f"127.0.0.1:{port}", "--noreload"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_it_answers(url)
        yield url
    finally:
        server.terminate()
        server.wait(30)
    assert "Traceback" not in (tmp_path / "log").read_text()


def _wait_until_it_answers(url: str) -> None:
    for _ in range(300):
        try:
            if requests.get(f"{url}/health/ready", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the service does not answer")


@pytest.mark.e2e
@pytest.mark.slow
def test_the_service_does_what_its_schema_says(service: str, tmp_path: Path) -> None:
    run = subprocess.run(  # noqa: S603  # our own command
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            f"{service}/api/v1/schema",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-20_000:] + run.stderr
