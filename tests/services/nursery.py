"""Start workers that may be killed: one process per line of input, its end as output.

Run as a program by `test_killed_workers`. Workers are forked from a process that has
loaded everything and opened nothing, so that each costs milliseconds.
"""

import os
import sys
import time

import django
from django.conf import settings
from django.utils import timezone

#: Seconds after which a worker gives up.
PATIENCE = 20.0


def main() -> None:
    django.setup()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            work(line.strip())
            os._exit(0)
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def work(path: str) -> None:
    """Do what a worker and the beat do, until every operation has ended."""
    # Models can be imported only after setup.
    from compute import clouds
    from compute.models import Cloud, Operation
    from compute.services import operations, sync

    settings.PROVIDERS = {
        "default": {
            "BACKEND": "providers.mock.MockProvider",
            "OPTIONS": {"path": path, "delay": "0"},
        }
    }
    # The request of a killed worker is waited for; here only for a moment.
    clouds.provider("default").call_timeout = settings.OPERATION_LEASE_SECONDS
    give_up = time.monotonic() + PATIENCE
    while Operation.objects.live().exists():
        if time.monotonic() > give_up:
            os._exit(1)
        operations.sweep()
        for operation in Operation.objects.claimable(timezone.now()):
            operations.run(operation.pk)
        Cloud.objects.update(next_pass_at=None)
        sync.observe("default")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
