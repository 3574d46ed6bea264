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
SECONDS = 3.0
ROUNDS = 5
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
            "DJANGO_SETTINGS_MODULE": "tests.bench_settings",
        }
        manage(environment, "migrate", "--verbosity", "0")
        manage(environment, "seed_demo", "--vms", str(VMS))
        bearers = principals(environment)
        reads(environment, bearers["API token"])
        authentication(environment, bearers)
    with tempfile.TemporaryDirectory() as data_dir:
        environment = os.environ | {
            "DATA_DIR": data_dir,
            "DEBUG": "true",
            "CLOUDS": "default=mock://?delay=0",
            "LOG_LEVEL": "WARNING",
            "RATE_LIMIT": "100000000/60 second",
        }
        manage(environment, "migrate", "--verbosity", "0")
        actions(environment)


#: Makes a reader of the default project, and says what it may send.
PRINCIPALS = """
import json
from compute.events import Actor
from compute.models import Membership, Project, Role, User
from compute.services import logins, tokens
system, project = Actor("system"), Project.objects.default()
user = User.objects.create(username="bench")
Membership.objects.create(user=user, project=project, role="reader")
login = logins.begin_tokens(user, actor=system, user_agent="")
token = tokens.create(user=user, project=project, role=Role.READER, name="bench",
                      actor=system, expires_at=None)
print(json.dumps({"login (JWT)": login.access, "API token": token[1]}))
"""


def principals(environment: dict[str, str]) -> dict[str, str]:
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c"]
    told = subprocess.run(  # noqa: S603  # our own
        [*command, PRINCIPALS],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    bearers: dict[str, str] = json.loads(told.stdout)
    return bearers


def server(port: int) -> list[str]:
    return [
        os.path.join(os.path.dirname(sys.executable), "granian"),
        *("--interface", "wsgi", "--host", HOST, "--port", str(port)),
        *("--workers", "1", "--blocking-threads", "4", "--log-level", "warning"),
        "vmmanager.wsgi:application",
    ]


def authentication(environment: dict[str, str], bearers: dict[str, str]) -> None:
    """Measure what it costs a read to find out who asks: turns, and their ratio."""
    open_port, port = free_port(), free_port()
    with (
        served(server(open_port), {**environment, "BENCH_OPEN": "1"}, open_port),
        served(server(port), environment, port),
    ):
        first = get(open_port, "/api/v1/vms?per_page=1")["results"][0]["id"]
        for label, path in (
            ("get", f"/api/v1/vms/{first}"),
            ("list 20", "/api/v1/vms?per_page=20"),
            ("list 100", "/api/v1/vms?per_page=100"),
        ):
            rates: dict[str, list[float]] = {name: [] for name in ("none", *bearers)}
            for _ in range(ROUNDS):
                rates["none"].append(rate(open_port, path))
                for name, bearer in bearers.items():
                    rates[name].append(rate(port, path, bearer))
            free = statistics.median(rates["none"])
            for name, found in rates.items():
                median = statistics.median(found)
                cost = f", {1 - median / free:.0%} less" if name in bearers else ""
                say(f"{label:9} {name:12} {median:7.0f} requests/s{cost}")


def reads(environment: dict[str, str], bearer: str) -> None:
    """Measure requests per second of reads against one process."""
    port = free_port()
    with served(server(port), environment, port):
        first = get(port, "/api/v1/vms?per_page=1", bearer)["results"][0]["id"]
        for label, path in (
            ("get", f"/api/v1/vms/{first}"),
            ("list 20", "/api/v1/vms?per_page=20"),
            ("list 20, cursor", "/api/v1/vms?per_page=20&cursor="),
            ("list 100", "/api/v1/vms?per_page=100"),
            ("list 100, cursor", "/api/v1/vms?per_page=100&cursor="),
            ("health", "/health"),
        ):
            say(f"{label:18} {rate(port, path, bearer):7.0f} requests/s")


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


def rate(port: int, path: str, bearer: str = "") -> float:
    """Return how many GETs a second a few clients with open connections get through."""
    counts = [0] * CLIENTS
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    end = time.perf_counter() + SECONDS

    def client(number: int) -> None:
        connection = http.client.HTTPConnection(HOST, port)
        while time.perf_counter() < end:
            connection.request("GET", path, headers=headers)
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


def get(port: int, path: str, bearer: str = "") -> dict[str, list[dict[str, str]]]:
    return json.loads(answer(port, "GET", path, None, bearer))  # type: ignore[no-any-return]


def post(port: int, path: str, body: object = None) -> dict[str, str]:
    return json.loads(answer(port, "POST", path, body))  # type: ignore[no-any-return]


def answer(port: int, method: str, path: str, body: object, bearer: str = "") -> bytes:
    connection = http.client.HTTPConnection(HOST, port)
    headers = {"Content-Type": "application/json", "Prefer": "wait=20"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
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
