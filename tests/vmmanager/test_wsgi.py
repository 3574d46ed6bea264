"""The production server's entry point."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("broker", ["", "redis://127.0.0.1:6379/0"])
def test_it_warns_when_no_worker_will_do_the_work(tmp_path: Path, broker: str) -> None:
    done = subprocess.run(  # our own code
        [sys.executable, "-c", "import vmmanager.wsgi"],
        cwd=ROOT,
        env={
            **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
            "CELERY_BROKER_URL": broker,
            "DATA_DIR": str(tmp_path),
            "DEBUG": "true",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert ("no worker can be reached" in done.stderr) is (broker == "")
