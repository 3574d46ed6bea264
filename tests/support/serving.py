"""Real servers over a database of their own: granian by WSGI and ASGI, and runserver.

No worker runs beside them, so an operation stays as it is for as long as a test likes.
"""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.deployed import ROOT, command_of, environment, free_port, run


def marks(group: str) -> list[pytest.MarkDecorator]:
    """Return the marks of modules that use this, of which a group runs in one process.

    What is tested does not depend on the database that the other tests run on, so they
    run once, and together: for one fixture.
    """
    return [
        pytest.mark.e2e,
        pytest.mark.broker,
        pytest.mark.slow,
        pytest.mark.xdist_group(group),
        pytest.mark.once,  # it brings its own database
    ]


MARKS = marks("serving")
STREAM_MARKS = marks("streams")
NEW = {"name": "web-1", "flavor": "m1.small", "image": "ubuntu-22.04"}

GRANIAN = ["granian", "--host", "127.0.0.1", "--log-level", "info"]
SERVERS = {
    "wsgi": [
        *GRANIAN,
        *("--interface", "wsgi", "--workers", "2", "--blocking-threads", "8"),
        "vmmanager.wsgi:application",
    ],
    "asgi": [*GRANIAN, "--interface", "asgi", "vmmanager.asgi:application"],
    "asginl": [*GRANIAN, "--interface", "asginl", "vmmanager.asgi:application"],
    "uvicorn": [
        "uvicorn",
        "--lifespan",
        "off",
        "--no-access-log",
        "vmmanager.asgi:application",
    ],
    "runserver": ["python", "manage.py", "runserver", "--noreload"],
}


#: Fills the catalogue, and prints API tokens of an operator and of a member.
FURNISH = """
from compute.events import Actor
from compute.models import Membership, Project, Role, User
from compute.services import catalog, tokens
catalog.refresh("default")
project = Project.objects.default()
olga = User.objects.create(username="olga", is_staff=True, is_superuser=True)
maria = User.objects.create(username="maria")
for user, role in ((olga, Role.ADMIN), (maria, Role.MEMBER)):
    Membership.objects.create(user=user, project=project, role=role)
    print(tokens.create(user=user, project=project, role=role, name="serving",
                        actor=Actor("system"), expires_at=None)[1])
"""


@dataclass(frozen=True, slots=True)
class Ground:
    """What a server needs: an environment with a migrated database, and who may call."""

    env: Mapping[str, str]
    #: API tokens of an operator and of somebody else.
    token: str
    other_token: str
    #: The file of the mock cloud.
    cloud: str

    def with_env(self, **more: str) -> "Ground":
        return replace(self, env={**self.env, **more})


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str
    seconds: float

    @property
    def body(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.text)
        return document


@dataclass(slots=True)
class Service:
    """One server, and how to call it."""

    port: int
    log: Path
    #: What calls bring unless they say otherwise.
    token: str
    process: "subprocess.Popen[bytes]"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        timeout: float = 40,
        **headers: str,
    ) -> Answer:
        """Send a request; ``Idempotency_Key="…"`` becomes that header."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        sent = {
            "Authorization": f"Bearer {token or self.token}",
            **({} if body is None else {"Content-Type": "application/json"}),
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        begun = time.monotonic()
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, path, content, sent)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        # As http.client compares them, whatever the server's spelling.
        told = {name.title(): value for name, value in response.headers.items()}
        return Answer(response.status, told, text, time.monotonic() - begun)

    def api(self, method: str, path: str, body: Any = None, **kwargs: Any) -> Answer:
        return self.call(method, f"/api/v1{path}", body, **kwargs)

    def operation(self) -> str:
        """Return the id of an operation that nobody works on."""
        return str(self.api("POST", "/vms", NEW).body["operation_id"])

    def slowest(self, path: str, *, times: int = 8, pause: float = 0.1) -> float:
        """Return the seconds of the slowest of a few reads, which must all succeed."""
        seconds = []
        for _ in range(times):
            answer = self.call("GET", path)
            assert answer.status == 200, answer.text
            seconds.append(answer.seconds)
            time.sleep(pause)
        return max(seconds)

    def await_health(self) -> None:
        for _ in range(300):
            try:
                if self.call("GET", "/health", timeout=5).status == 200:
                    return
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)
        pytest.fail(f"the server does not answer:\n{self.log.read_text()}")

    def complaints(self) -> list[str]:
        """Return the lines of the log that say something went wrong here."""
        words = ("Traceback", '"level":"error"', "[error", "[ERROR", "exception")
        lines = self.log.read_text().splitlines()
        return [
            line
            for line in lines
            # Django's, of each answer from 500 on, says nothing new.
            if "django.request" not in line and any(word in line for word in words)
        ]


@dataclass(slots=True)
class Crowd:
    """Calls that are made at the same time."""

    answers: list[Answer] = field(default_factory=list)
    #: Of those that got no answer.
    failures: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def add(self, count: int, call: Callable[[], Answer]) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._call, args=(call,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _call(self, call: Callable[[], Answer]) -> None:
        try:
            self.answers.append(call())
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(repr(error))

    def all(self) -> list[Answer]:
        """Return all answers, once everybody has one."""
        for thread in self.threads:
            thread.join()
        assert self.failures == []
        return self.answers


def _command(kind: str, port: int) -> list[str]:
    if kind not in SERVERS:
        return command_of(kind, _8000=str(port))
    if kind == "runserver":
        return [*SERVERS[kind], f"127.0.0.1:{port}"]
    return [*SERVERS[kind], "--port", str(port)]


@contextmanager
def served(
    kind: str, ground: Ground, folder: Path, *, ready: bool = True
) -> Iterator[Service]:
    """Run one of `SERVERS`, or a service of compose.yaml, for the time of the block."""
    port, log = free_port(), folder / f"{kind}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # from our own files
            _command(kind, port),
            cwd=ROOT,
            env=ground.env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(port, log, ground.token, process)
    try:
        if ready:
            service.await_health()
        yield service
        process.terminate()
        process.wait(timeout=20)
    finally:
        # With the workers, whatever has become of their parent.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def prepared(folder: Path, *, database_url: str, redis_url: str) -> Ground:
    """Return what a server needs over a new database."""
    cloud = folder / "cloud.sqlite3"
    env = environment(
        folder,
        database_url=database_url,
        redis_url=redis_url,
        clouds=f"default=mock://?delay=0&path={cloud}",
    )
    env |= {
        "ALLOWED_HOSTS": "127.0.0.1",
        "SECURE_SSL_REDIRECT": "false",
        "DATABASE_POOL_SIZE": "4",
    }
    migrated = run([sys.executable, "manage.py", "migrate", "--no-input"], env)
    assert migrated.returncode == 0, migrated.stderr
    token, other_token = shell(env, FURNISH).split()
    return Ground(env, token, other_token, str(cloud))


def shell(env: Mapping[str, str], code: str) -> str:
    """Run code of ours in a process like the service's, and return what it prints."""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", code]
    done = run(command, env)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


_SESSION = """
from datetime import timedelta
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from compute.events import Actor
from compute.models import LoginKind, User
from compute.services import logins
user, store = User.objects.get(username="{username}"), SessionStore()
login = logins.begin(user, kind=LoginKind.BROWSER, actor=Actor("system"), user_agent="",
                     lifetime=timedelta(hours=1))
store[SESSION_KEY] = str(user.pk)
store[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
store[HASH_SESSION_KEY] = user.get_session_auth_hash()
store[logins.SESSION_KEY] = str(login.pk)
store.save()
print(store.session_key)
"""


def session_of(env: Mapping[str, str], username: str) -> str:
    """Log somebody in with a browser, and return its cookie."""
    return f"sessionid={shell(env, _SESSION.format(username=username))}"


def connections(ground: Ground) -> int:
    """Return how many connections to its database there are, but for this one."""
    counting = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with psycopg.connect(ground.env["DATABASE_URL"]) as connection:
        row = connection.execute(counting).fetchone()
    assert row is not None
    return int(row[0])
