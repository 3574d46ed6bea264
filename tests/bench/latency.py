"""How long an action takes, from the request to its end."""

import statistics
import time
from pathlib import Path

from tests.bench.processes import environment, manage, runserver
from tests.bench.report import say

STOPS = 40


def stops(folder: Path) -> None:
    """Print the time from POST stop to SHUTOFF, without delay in the mock cloud.

    It is run as `make run` does it: SQLite, and the embedded worker.
    """
    url = f"sqlite:///{folder / 'stops'}.sqlite3"
    clouds = f"default=mock://?delay=0&path={folder / 'stops.cloud'}"
    env = environment(folder, url, DEBUG="true", CLOUDS=clouds)
    manage(env, "migrate", "--verbosity", "0")
    wait = {"Prefer": "wait=20"}
    with runserver(env) as process:
        new = {"name": "bench", "flavor": "m1.small", "image": "ubuntu-22.04"}
        vm = process.send("POST", "/api/v1/vms", new, headers=wait)
        path = f"/api/v1/vms/{vm['id']}/actions"
        milliseconds = []
        for _ in range(STOPS):
            begun = time.perf_counter()
            stopped = process.send("POST", f"{path}/stop", headers=wait)
            milliseconds.append((time.perf_counter() - begun) * 1000)
            if stopped["status"] != "SHUTOFF":
                raise SystemExit(f"not stopped: {stopped}")
            process.send("POST", f"{path}/start", headers=wait)
    shares = statistics.quantiles(milliseconds, n=20)
    say(
        f"\nStop to SHUTOFF: median {shares[9]:.0f} ms, 95 % within {shares[18]:.0f} ms"
        f" ({STOPS} stops, one after the other)"
    )
