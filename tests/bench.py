"""Benchmarks: `make bench`. Figures to compare within one run, never assertions.

Starts the service twice, as a user would have it: one granian process for reads, over
10,000 demo VMs, and `runserver` with its embedded worker for the latency of an action.
"""

import http.client
import json
import os
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

HOST = "127.0.0.1"
VMS = 10_000
CLIENTS = 4
SECONDS = 5.0
STOPS = 40


def main() -> None:
    with tempfile.TemporaryDirectory() as data_dir:
        environment = os.environ | {
            "DATA_DIR": data_dir,
            "DEBUG": "false",
            "SECRET_KEY": secrets.token_urlsafe(64),
            "ALLOWED_HOSTS": HOST,
            "SECURE_SSL_REDIRECT": "false",
            "CONN_MAX_AGE": "60",
            "LOG_LEVEL": "WARNING",
            "STATIC_ROOT": data_dir,
        }
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "seed_demo", "--vms", str(VMS))
        reads(environment)
    with tempfile.TemporaryDirectory() as data_dir:
        environment = os.environ | {
            "DATA_DIR": data_dir,
            "DEBUG": "true",
            "CLOUDS": "default=mock://?delay=0",
            "LOG_LEVEL": "WARNING",
        }
        manage(environment, "migrate", "--verbosity", "0")
        actions(environment)


def reads(environment: dict[str, str]) -> None:
    """Measure requests per second of reads against one process."""
    port = free_port()
    command = [
        os.path.join(os.path.dirname(sys.executable), "granian"),
        *("--interface", "wsgi", "--host", HOST, "--port", str(port)),
        *("--workers", "1", "--blocking-threads", "4", "--log-level", "warning"),
        "vmmanager.wsgi:application",
    ]
    with served(command, environment, port):
        first = get(port, "/api/v1/vms?per_page=1")["results"][0]["id"]
        for label, path in (
            ("get", f"/api/v1/vms/{first}"),
            ("list 20", "/api/v1/vms?per_page=20"),
            ("list 20, cursor", "/api/v1/vms?per_page=20&cursor="),
            ("list 100", "/api/v1/vms?per_page=100"),
            ("list 100, cursor", "/api/v1/vms?per_page=100&cursor="),
            ("health", "/health"),
        ):
            say(f"{label:18} {rate(port, path):7.0f} requests/s")


def actions(environment: dict[str, str]) -> None:
    """Measure the time from POST stop to SHUTOFF, without delay in the mock."""
    port = free_port()
    command = [sys.executable, "manage.py", "runserver", "--noreload", f"{HOST}:{port}"]
    with served(command, environment, port):
        body = {"name": "bench", "flavor": "m1.small", "image": "ubuntu-22.04"}
        vm = post(port, "/api/v1/vms", body)
        seconds = []
        for _ in range(STOPS):
            begun = time.perf_counter()
            stopped = post(port, f"/api/v1/vms/{vm['id']}/actions/stop")
            seconds.append(time.perf_counter() - begun)
            if stopped["status"] != "SHUTOFF":
                raise SystemExit(f"not stopped: {stopped}")
            post(port, f"/api/v1/vms/{vm['id']}/actions/start")
    figures = statistics.quantiles([s * 1000 for s in seconds], n=20)
    say(
        f"stop to SHUTOFF    median {figures[9]:.0f} ms, "
        f"95 % within {figures[18]:.0f} ms ({STOPS} stops, one after the other)"
    )


def rate(port: int, path: str) -> float:
    """Return how many GETs a second a few clients with open connections get through."""
    counts = [0] * CLIENTS
    end = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(HOST, port)
        while time.perf_counter() < end:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            if response.status != 200:
                raise SystemExit(f"{path}: {response.status}")
            counts[number] += 1
        connection.close()

    together(client, range(CLIENTS))
    return sum(counts) / SECONDS


def together(target: Callable[[int], None], numbers: Sequence[int]) -> None:
    threads = [threading.Thread(target=target, args=(n,)) for n in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def get(port: int, path: str) -> dict[str, list[dict[str, str]]]:
    return json.loads(answer(port, "GET", path, None))  # type: ignore[no-any-return]


def post(port: int, path: str, body: object = None) -> dict[str, str]:
    return json.loads(answer(port, "POST", path, body))  # type: ignore[no-any-return]


def answer(port: int, method: str, path: str, body: object) -> bytes:
    connection = http.client.HTTPConnection(HOST, port)
    headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    content = connection.getresponse().read()
    connection.close()
    return content


@contextmanager
def served(
    command: Sequence[str], environment: dict[str, str], port: int
) -> Iterator[None]:
    process = subprocess.Popen(  # noqa: S603  # our own command
        command, env=environment, stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex((HOST, port)) == 0:
                    break
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(20)


def manage(environment: dict[str, str], *arguments: str) -> None:
    command = [sys.executable, "manage.py", *arguments]
    subprocess.run(command, env=environment, check=True)  # noqa: S603  # our own


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
