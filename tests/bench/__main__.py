"""Benchmarks: `make bench`. Figures to compare within one run, never assertions.

    python -m tests.bench [reads] [writes] [memory] [latency] [scale] [streams] [webhooks]

On SQLite, or on PostgreSQL in databases of its own beside the one that DATABASE_URL
names. Without words it does what makes sense there: writes, streams and webhooks on
PostgreSQL only, scale only with BENCH_VMS.
"""

import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.bench import latency, memory, reads, scale, streams, webhooks, writes
from tests.bench.pair import beside, service
from tests.bench.report import Plan

VMS = 10_000
#: Each is stopped once, so there must be enough of them.
VMS_TO_STOP = 20_000
SECONDS = float(os.environ.get("BENCH_SECONDS", "3"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
REQUESTS = int(os.environ.get("BENCH_REQUESTS", "100000"))
#: How many VMs many are; without, nothing is measured at scale.
MANY = int(os.environ.get("BENCH_VMS", "0"))
#: Whether the databases of that stay for the next time.
KEEP = bool(os.environ.get("BENCH_KEEP"))


def main() -> None:
    # What was started ends with this, also when it is told to.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    url = os.environ.get("DATABASE_URL", "")
    url = url if url.startswith("postgres") else ""
    usual = [
        *("reads", "memory"),
        *(["writes", "streams", "webhooks"] if url else ["latency"]),
        *(["scale"] if MANY else []),
    ]
    parts = sys.argv[1:] or usual
    plan = Plan("PostgreSQL" if url else "SQLite", SECONDS, ROUNDS)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if "reads" in parts:
            with (
                service(folder, url, vms=VMS) as one,
                beside(one, folder, url) as peer,
            ):
                reads.compare(one, peer, plan)
        if "writes" in parts:
            with (
                service(folder, url, vms=VMS_TO_STOP) as one,
                beside(one, folder, url) as peer,
            ):
                writes.compare(one, peer, plan, folder)
        if "memory" in parts:
            with service(folder, url, vms=VMS) as one:
                memory.measure(one, plan, folder, requests=REQUESTS)
        if "latency" in parts:
            latency.stops(folder)
        if "scale" in parts:
            scale.measure(url, folder, many=MANY, keep=KEEP)
        if "streams" in parts:
            streams.measure(url, folder)
        if "webhooks" in parts:
            webhooks.measure(url, folder)


if __name__ == "__main__":
    main()
