"""Every command of Dockerfile and compose.yaml, run as a process on this machine.

PostgreSQL and Redis are the ones that answer here; the commands are as written. The
image's environment is built by .ci/run, because that takes a minute.
"""

import http.client
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
POSTGRES_URL = os.environ.get(
    "POSTGRES_URL", "postgres://postgres:postgres@127.0.0.1:5432/postgres"
)
AMQP_URL = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
START_SECONDS = 60

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.slow,
    # The processes below are started once, so one test process runs all of these.
    pytest.mark.xdist_group("deployment"),
]

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


@dataclass(frozen=True, slots=True)
class Stack:
    """The services of compose.yaml as processes."""

    env: Mapping[str, str]
    api_port: int
    stream_port: int
    logs: Path

    def log(self, service: str) -> str:
        return (self.logs / f"{service}.log").read_text()


def interpolated(value: str, given: Mapping[str, str]) -> str:
    """Fill in ${NAME}, ${NAME:-default} and ${NAME:?message} as compose does."""

    def fill(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        return given[name] if default is None else given.get(name, default)

    pattern = r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}"
    return re.sub(pattern, fill, value)


def command_of(service: str, **replaced: str) -> list[str]:
    command: list[str] = COMPOSE["services"][service]["command"]
    return [replaced.get(f"_{word}", word) for word in command]


def instructions(name: str) -> list[str]:
    """Return what follows a Dockerfile instruction, one string for each."""
    return [text.strip() for text in re.findall(rf"(?m)^ *{name} +(.*)$", DOCKERFILE)]


def exec_form(instruction: str) -> list[str]:
    """Return the command of HEALTHCHECK or CMD, written as a list."""
    words: list[str] = yaml.safe_load(instruction[instruction.index("[") :])
    return words


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def request(
    method: str, port: int, path: str, body: str | None = None, **headers: str
) -> tuple[int, Mapping[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, headers={"Host": "vm.example.org", **sent})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.headers), text


def get(port: int, path: str, **headers: str) -> tuple[int, Mapping[str, str], str]:
    return request("GET", port, path, **headers)


def call(method: str, stack: "Stack", path: str, **fields: str) -> dict[str, Any]:
    """Call the API as through a proxy that speaks HTTPS, and return what it answers."""
    status, _, text = request(
        method,
        stack.api_port,
        f"/api/v1{path}",
        json.dumps(fields) if method == "POST" else None,
        x_forwarded_proto="https",
        content_type="application/json",
    )
    assert status < 300, text
    document: dict[str, Any] = json.loads(text)
    return document


def eventually(reached: Callable[[], bool], *, what: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen:\n{log.read_text()}")
        time.sleep(0.1)


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(command: list[str], *, env: Mapping[str, str], log: Path) -> Iterator[None]:
    """Run a command as a process for the time of the block; it must end when told."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # from our own files
            command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def run(
    command: list[str], env: Mapping[str, str]
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603  # from our own files
        command,
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def answers(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """An empty database that belongs to these tests."""
    if not answers(POSTGRES_URL):
        pytest.skip("no PostgreSQL answers at POSTGRES_URL")
    name = f"vmmanager_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlsplit(POSTGRES_URL)._replace(path=f"/{name}").geturl()
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of these tests alone, started by its command in compose.yaml.

    Where Redis is not installed, the one that answers at REDIS_URL.
    """
    command = command_of("redis")
    if shutil.which(command[0]):
        port, folder = free_port(), tmp_path_factory.mktemp("redis")
        local = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
        log = folder / "redis.log"
        with running([*command, *local], env=os.environ, log=log):
            eventually(lambda: listening(port), what="redis", log=log)
            yield f"redis://127.0.0.1:{port}/0"
        assert (folder / "appendonlydir").is_dir()
    elif answers(REDIS_URL):
        yield REDIS_URL
    else:
        pytest.skip("no Redis is installed or answers at REDIS_URL")


@pytest.fixture(scope="module")
def amqp_url() -> Iterator[str]:
    """A virtual host of RabbitMQ of these tests alone, where one can be made."""
    if not answers(AMQP_URL):
        pytest.skip("no RabbitMQ answers at AMQP_URL")
    name = f"vmmanager-{uuid.uuid4().hex[:12]}"
    user = urlsplit(AMQP_URL).username or "guest"
    made = shutil.which("rabbitmqctl") and os.geteuid() == 0
    if made:
        for words in (
            ["add_vhost", name],
            ["set_permissions", "--vhost", name, user, ".*", ".*", ".*"],
        ):
            done = run(["rabbitmqctl", *words], os.environ)
            assert done.returncode == 0, done.stderr
    yield urlsplit(AMQP_URL)._replace(path=f"/{name}").geturl() if made else AMQP_URL
    if made:
        run(["rabbitmqctl", "delete_vhost", name], os.environ)


@pytest.fixture(scope="module")
def env(
    database_url: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    """The environment that compose.yaml gives, with the hosts of this machine."""
    given = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": "vm.example.org",
        "POSTGRES_PASSWORD": "letters",
        "TRUST_PROXY_HEADERS": "true",
        "CLOUDS": "default=mock://?delay=0",
    }
    composed = {
        name: interpolated(value, given)
        for name, value in COMPOSE["x-service"]["environment"].items()
    }
    assert (
        composed["DATABASE_URL"]
        == "postgres://vmmanager:letters@postgres:5432/vmmanager"
    )
    assert urlsplit(composed["CELERY_BROKER_URL"]).hostname == "redis"
    assert urlsplit(composed["CACHE_URL"]).hostname == "redis"
    return {
        **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
        **composed,
        "HOME": str(tmp_path_factory.mktemp("home")),
        "HOSTNAME": socket.gethostname(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DEBUG": "false",
        "DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "STATIC_ROOT": str(tmp_path_factory.mktemp("static")),
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": urlsplit(redis_url)._replace(path="/14").geturl(),
        "CACHE_URL": urlsplit(redis_url)._replace(path="/15").geturl(),
    }


@pytest.fixture(scope="module")
def collected(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Static files, collected by the image's own build step."""
    (step,) = (line for line in instructions("RUN") if "collectstatic" in line)
    data_dir = str(tmp_path_factory.mktemp("build"))
    build_env = {name: env[name] for name in ("PATH", "DEBUG", "STATIC_ROOT")}
    done = run(["sh", "-ec", step.replace("/tmp/build", data_dir)], build_env)  # noqa: S108  # as the Dockerfile says
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def stack(
    request: pytest.FixtureRequest,
    env: dict[str, str],
    collected: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    if request.param == "rabbitmq":
        env = {**env, "CELERY_BROKER_URL": request.getfixturevalue("amqp_url")}
    logs = tmp_path_factory.mktemp("logs")
    migrated = run(command_of("migrate"), env)
    assert migrated.returncode == 0, migrated.stderr
    api, stream = free_port(), free_port()
    api_env = {
        **env,
        "CONN_MAX_AGE": COMPOSE["services"]["api"]["environment"]["CONN_MAX_AGE"],
    }
    with (
        running(command_of("api", _8000=str(api)), env=api_env, log=logs / "api.log"),
        running(
            command_of("stream", _8000=str(stream)), env=env, log=logs / "stream.log"
        ),
        running(command_of("worker"), env=env, log=logs / "worker.log"),
        running(command_of("beat"), env=env, log=logs / "beat.log"),
    ):
        eventually(lambda: listening(api), what="api", log=logs / "api.log")
        eventually(lambda: listening(stream), what="stream", log=logs / "stream.log")
        yield Stack(env=env, api_port=api, stream_port=stream, logs=logs)


def test_every_service_of_ours_is_started_here() -> None:
    ours = {
        name
        for name, service in COMPOSE["services"].items()
        if service["image"] == COMPOSE["x-service"]["image"]
    }
    assert ours == {"migrate", "api", "stream", "worker", "beat"}


def test_secrets_have_no_default() -> None:
    text = (ROOT / "compose.yaml").read_text()
    for name in ("SECRET_KEY", "ALLOWED_HOSTS", "POSTGRES_PASSWORD"):
        uses = re.findall(rf"\$\{{{name}(.*?)\}}", text)
        assert uses
        assert all(use.startswith(":?") for use in uses)


def test_ports_are_published_on_loopback_only() -> None:
    published = [
        port
        for service in COMPOSE["services"].values()
        for port in service.get("ports", [])
    ]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_image_starts_the_api_by_default() -> None:
    (command,) = (line for line in instructions("CMD") if "granian" in line)
    assert exec_form(command) == command_of("api")


@pytest.mark.parametrize("server", ["api", "stream"])
def test_a_server_is_healthy(stack: Stack, server: str) -> None:
    port = stack.api_port if server == "api" else stack.stream_port
    status, headers, body = get(port, "/health")
    assert (status, body) == (200, '{"status":"ok"}')
    assert headers["x-request-id"].startswith("req-")


def test_the_health_check_of_the_image_tells_up_from_down(stack: Stack) -> None:
    (check,) = instructions("HEALTHCHECK")
    command = exec_form(check)

    def asking(port: int) -> list[str]:
        return [word.replace(":8000", f":{port}") for word in command]

    assert run(asking(stack.api_port), stack.env).returncode == 0
    assert run(asking(free_port()), stack.env).returncode != 0


def test_plain_http_is_sent_to_https(stack: Stack) -> None:
    status, headers, _ = get(stack.api_port, "/api/v1/vms")
    assert status == 301
    assert headers["location"] == "https://vm.example.org/api/v1/vms"


def test_the_api_answers_behind_a_proxy_that_speaks_https(stack: Stack) -> None:
    status, headers, _ = get(stack.api_port, "/api/v1/vms", x_forwarded_proto="https")
    assert status == 200
    assert "max-age" in headers["strict-transport-security"]


def test_an_unknown_host_is_refused(stack: Stack) -> None:
    status, _, _ = get(stack.api_port, "/health", Host="evil.example.org")
    assert status == 400


def test_static_files_are_served_with_a_name_that_can_be_cached(stack: Stack) -> None:
    status, _, page = get(stack.api_port, "/admin/login/", x_forwarded_proto="https")
    assert status == 200
    stylesheet = re.search(r'href="(/static/admin/css/base\.[0-9a-f]+\.css)"', page)
    assert stylesheet
    status, headers, _ = get(stack.api_port, stylesheet[1], x_forwarded_proto="https")
    assert status == 200
    assert "immutable" in headers["cache-control"]


def test_the_worker_answers_its_health_check(stack: Stack) -> None:
    kind, check = COMPOSE["services"]["worker"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    command = ["sh", "-c", check.replace("$$", "$")]
    eventually(
        lambda: run(command, stack.env).returncode == 0,
        what="ping",
        log=stack.logs / "worker.log",
    )


def test_the_beat_loads_the_catalogue_through_the_worker(stack: Stack) -> None:
    def flavors() -> str:
        _, _, body = get(stack.api_port, "/api/v1/flavors", x_forwarded_proto="https")
        return body

    eventually(
        lambda: "m1.small" in flavors(), what="catalogue", log=stack.logs / "worker.log"
    )


def test_a_vm_lives_its_life_through_api_broker_and_worker(stack: Stack) -> None:
    def reached(status: str) -> bool:
        shown: str = call("GET", stack, vm + "?include_deleted=true")["status"]
        return shown == status

    eventually(
        lambda: bool(call("GET", stack, "/images")["results"]),
        what="catalogue",
        log=stack.logs / "worker.log",
    )
    created = call(
        "POST", stack, "/vms", name="web-1", flavor="m1.small", image="ubuntu-22.04"
    )
    vm = f"/vms/{created['id']}"
    log = stack.logs / "worker.log"
    eventually(lambda: reached("ACTIVE"), what="create", log=log)
    call("POST", stack, f"{vm}/actions/stop")
    eventually(lambda: reached("SHUTOFF"), what="stop", log=log)
    call("DELETE", stack, vm)
    eventually(lambda: reached("DELETED"), what="delete", log=log)


@pytest.mark.parametrize("service", ["postgres", "redis"])
def test_the_health_check_of_a_backing_service_succeeds(
    env: dict[str, str], service: str
) -> None:
    kind, *command = COMPOSE["services"][service]["healthcheck"]["test"]
    assert kind == "CMD"
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed here")
    at = urlsplit(POSTGRES_URL)
    where = {"PGHOST": at.hostname or "", "PGPORT": str(at.port)}
    assert run(command, {**env, **where}).returncode == 0
