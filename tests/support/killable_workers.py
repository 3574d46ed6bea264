"""Workers that may be killed: each is a process, forked where everything is loaded.

This module is also the program they are forked in: one job per line of input, the exit
code of its worker as output. So each costs milliseconds.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import django
from django.conf import settings
from django.db import connection
from django.utils import timezone
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parents[2]
#: Seconds after which nobody can have the work of a killed worker any more.
LEASE_SECONDS = 0.3


class Job(TypedDict):
    """What a worker works with: on all there is to do, until it has ended."""

    cloud: dict[str, Any]
    #: Seconds that a killed worker's request is waited for.
    call_timeout: float
    #: Seconds after which the worker gives up.
    patience: float
    #: Seconds between two looks at what there is to do.
    pause: float


class Nursery:
    """Starts workers on the database of the tests."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout

    def work(self, job: Job) -> int:
        """Have a worker do a job; return its exit code."""
        self._stdin.write(f"{json.dumps(job)}\n")
        self._stdin.flush()
        return int(self._stdout.readline())


@contextmanager
def nursery(place: Path) -> Iterator[Nursery]:
    """Run this module as a program; its log is in ``place``."""
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "PYTHONPATH": str(ROOT),
        "DATABASE_URL": database_url(),
        "DATA_DIR": str(place),
        "LOG_LEVEL": "ERROR",
        "OPERATION_LEASE_SECONDS": str(LEASE_SECONDS),
        "OPERATION_RETRY_SECONDS": "0.01",
    }
    with (place / "log").open("w") as log:
        process = subprocess.Popen(  # noqa: S603  # a program of ours
            [sys.executable, __file__],
            cwd=ROOT,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            yield Nursery(process)


def database_url() -> str:
    """Return the URL of the test database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    credentials = f"{database['USER']}:{database['PASSWORD']}"
    place = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
    return f"postgres://{credentials}@{place}"


def main() -> None:
    django.setup()
    for line in sys.stdin:
        job: Job = json.loads(line)
        import_string(job["cloud"]["BACKEND"])  # once, for all workers to come
        child = os.fork()
        if child == 0:
            work(job)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def work(job: Job) -> None:
    """Do what a worker and the beat do, until every operation has ended."""
    # Models can be imported only after setup.
    from compute import clouds
    from compute.engine import passes, runner
    from compute.models import CloudService, Operation

    settings.PROVIDERS = {"default": job["cloud"]}
    clouds.get("default").call_timeout = job["call_timeout"]
    give_up = time.monotonic() + job["patience"]
    while Operation.objects.live().exists():
        if time.monotonic() > give_up:
            os._exit(1)
        runner.sweep()
        for operation in Operation.objects.claimable(timezone.now()):
            runner.run(operation.pk)
        CloudService.objects.filter(service="compute").update(next_pass_at=None)
        for alias, service in passes.due():
            passes.observe(alias, service)
        time.sleep(job["pause"])


if __name__ == "__main__":
    main()
