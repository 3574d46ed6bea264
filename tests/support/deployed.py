"""The service as compose.yaml runs it, as processes on this machine.

PostgreSQL, Redis and RabbitMQ are the ones that answer here; commands and environment
are as written there.
"""

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import yaml
from psycopg import sql

ROOT = Path(__file__).resolve().parents[2]
POSTGRES_URL = os.environ.get(
    "POSTGRES_URL", "postgres://postgres:postgres@127.0.0.1:5432/postgres"
)
AMQP_URL = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
START_SECONDS = 60
#: Who runs it.
OPERATOR, PASSWORD = "olga", "fresh-Paint-71"  # pragma: allowlist secret
#: The name clients use for it.
HOST = "vm.example.org"

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")


@dataclass(frozen=True, slots=True)
class Stack:
    """The services of compose.yaml as processes."""

    env: Mapping[str, str]
    api_port: int
    stream_port: int
    logs: Path
    #: The API token of an admin of the default project.
    token: str

    def log(self, service: str) -> str:
        return (self.logs / f"{service}.log").read_text()


# What the files say


def interpolated(value: str, given: Mapping[str, str]) -> str:
    """Fill in ${NAME}, ${NAME:-default} and ${NAME:?message} as compose does."""

    def fill(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        return given[name] if default is None else given.get(name, default)

    pattern = r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}"
    return re.sub(pattern, fill, value)


def composed(given: Mapping[str, str], service: str = "worker") -> dict[str, str]:
    """Return the environment that compose.yaml gives a service.

    A name without a value is passed on, or left out where nothing is given.
    """
    wanted = COMPOSE["services"][service]["environment"]
    return {
        name: given[name] if value is None else interpolated(value, given)
        for name, value in wanted.items()
        if value is not None or name in given
    }


def own_environment(service: str) -> dict[str, str]:
    """Return what compose.yaml gives one of our services beside all of them."""
    common: Mapping[str, str] = COMPOSE["x-service"]["environment"]
    given: Mapping[str, str] = COMPOSE["services"][service]["environment"]
    return {name: value for name, value in given.items() if name not in common}


def command_of(service: str, **replaced: str) -> list[str]:
    command: list[str] = COMPOSE["services"][service]["command"]
    return [replaced.get(f"_{word}", word) for word in command]


def instructions(name: str) -> list[str]:
    """Return what follows a Dockerfile instruction, one string for each."""
    return [text.strip() for text in re.findall(rf"(?m)^ *{name} +(.*)$", DOCKERFILE)]


def environment(
    folder: Path, *, database_url: str, redis_url: str, clouds: str
) -> dict[str, str]:
    """Return the environment of compose.yaml, with the hosts of this machine."""
    given = {
        "SECRET_KEY": secrets.token_urlsafe(64),
        "ALLOWED_HOSTS": HOST,
        "POSTGRES_PASSWORD": "letters",
        "POSTGRES_OWNER_PASSWORD": "letters",
        "TLS_CERTIFICATE": "certificate.pem",
        "TLS_KEY": "key.pem",
        "CLOUDS": clouds,
    }
    for name in ("home", "data", "static"):
        (folder / name).mkdir()
    return {
        **{k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")},
        **composed(given),
        "HOME": str(folder / "home"),
        "HOSTNAME": socket.gethostname(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DEBUG": "false",
        "DATA_DIR": str(folder / "data"),
        "STATIC_ROOT": str(folder / "static"),
        "DATABASE_URL": database_url,
        "CELERY_BROKER_URL": urlsplit(redis_url)._replace(path="/14").geturl(),
        "CACHE_URL": urlsplit(redis_url)._replace(path="/15").geturl(),
        # Tests ask more often than people.
        "RATE_LIMIT": "100000/60 second",
        "RATE_LIMIT_POLL": "100000/60 second",
    }


# Processes


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


@contextmanager
def running(
    command: list[str], *, env: Mapping[str, str], log: Path
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run a command as a process for the time of the block; it must end when told."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # from our own files
            command,
            cwd=ROOT,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # its children would stay
            process.wait()
            raise


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    parts = urlsplit(url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def eventually(reached: Callable[[], bool], *, what: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not reached():
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not happen:\n{log.read_text()}")
        time.sleep(0.1)


# What the services need


@contextmanager
def new_database() -> Iterator[str]:
    """Yield the URL of an empty database that is dropped afterwards."""
    if not answers(POSTGRES_URL):
        pytest.skip("no PostgreSQL answers at POSTGRES_URL")
    name = f"vmmanager_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        yield urlsplit(POSTGRES_URL)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(POSTGRES_URL, autocommit=True) as connection:
            connection.execute(
                sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
            )


@contextmanager
def new_redis(folder: Path) -> Iterator[str]:
    """Yield the URL of a Redis started for this alone, by its command in compose.yaml.

    Where Redis is not installed, the one that answers at REDIS_URL.
    """
    if shutil.which(command_of("redis")[0]):
        port = free_port()
        with redis_at(port, folder):
            yield f"redis://127.0.0.1:{port}/0"
        assert (folder / "appendonlydir").is_dir()
    elif answers(REDIS_URL):
        yield REDIS_URL
    else:
        pytest.skip("no Redis is installed or answers at REDIS_URL")


@contextmanager
def redis_at(port: int, folder: Path) -> Iterator[None]:
    local = ["--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    log = folder / "redis.log"
    with running([*command_of("redis"), *local], env=os.environ, log=log):
        eventually(lambda: listening(port), what="redis", log=log)
        yield


@contextmanager
def new_virtual_host() -> Iterator[str]:
    """Yield the URL of a virtual host of RabbitMQ of its own, where one can be made."""
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
    try:
        yield (
            urlsplit(AMQP_URL)._replace(path=f"/{name}").geturl() if made else AMQP_URL
        )
    finally:
        if made:
            run(["rabbitmqctl", "delete_vhost", name], os.environ)


def collect_static(env: Mapping[str, str], folder: Path) -> None:
    """Collect static files, by the image's own build step."""
    (step,) = (line for line in instructions("RUN") if "collectstatic" in line)
    for path, here in (
        ("/tmp/build", str(folder)),  # noqa: S108  # as the Dockerfile says
        ("/app/staticfiles", env["STATIC_ROOT"]),
        ("/venv/bin/", ""),
    ):
        step = step.replace(path, here)
    done = run(["sh", "-ec", step], {"PATH": env["PATH"], "DEBUG": env["DEBUG"]})
    assert done.returncode == 0, done.stderr


def first_token(env: Mapping[str, str]) -> str:
    """Make the first operator and a token, by the commands that the README names."""
    who = {
        "DJANGO_SUPERUSER_USERNAME": OPERATOR,
        "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        "DJANGO_SUPERUSER_EMAIL": "olga@example.org",
    }
    manage = ["python", "manage.py"]
    made = run([*manage, "createsuperuser", "--noinput"], {**env, **who})
    # Tests may deploy twice over one database.
    assert made.returncode == 0 or "already taken" in made.stderr, made.stderr
    words = ["createtoken", "--user", OPERATOR, "--role", "admin"]
    created = run([*manage, *words], env)
    assert created.returncode == 0, created.stderr
    return created.stdout.strip()


@contextmanager
def deployed(
    env: Mapping[str, str], logs: Path, *, owner_url: str = ""
) -> Iterator[Stack]:
    """Migrate, as the owner if there is one, and run the services for the block."""
    owner_env = {**env, "DATABASE_URL": owner_url or env["DATABASE_URL"]}
    migrated = run(command_of("migrate"), owner_env)
    assert migrated.returncode == 0, migrated.stderr
    token = first_token(env)
    api, stream = free_port(), free_port()
    ports = {"api": {"_8000": str(api)}, "stream": {"_8000": str(stream)}}
    with ExitStack() as services:
        for name in ("api", "stream", "worker", "beat"):
            services.enter_context(
                running(
                    command_of(name, **ports.get(name, {})),
                    env={**env, **own_environment(name)},
                    log=logs / f"{name}.log",
                )
            )
        eventually(lambda: listening(api), what="api", log=logs / "api.log")
        eventually(lambda: listening(stream), what="stream", log=logs / "stream.log")
        yield Stack(env=env, api_port=api, stream_port=stream, logs=logs, token=token)
