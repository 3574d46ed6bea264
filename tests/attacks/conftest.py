"""The service that is attacked: granian, as compose.yaml starts it, and by itself."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.support.deployed import (
    DOCKERFILE,
    OPERATOR,
    PASSWORD,
    command_of,
    environment,
    eventually,
    free_port,
    listening,
    new_database,
    new_redis,
    own_environment,
    run,
    running,
)
from tests.support.serving import Ground, Service, served
from tests.support.slow_clients import request, send

#: All that it needs, in one process: each start of Python takes seconds.
PREPARE = f"""
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("collectstatic", interactive=False, verbosity=0)
from compute.models import User
User.objects.create_superuser("{OPERATOR}", "olga@example.org", "{PASSWORD}")
for role in ("admin", "reader"):
    call_command("createtoken", user="{OPERATOR}", role=role)
"""
#: Seconds a body may take here.
BODY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Front:
    """What answers requests, without worker and beat."""

    api: int
    stream: int
    redis_url: str
    logs: Path
    #: API tokens of the default project.
    admin: str
    reader: str


@pytest.fixture(scope="session")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with ExitStack() as stack:
        redis_url = stack.enter_context(new_redis(tmp_path_factory.mktemp("redis")))
        env = {
            **environment(
                folder,
                database_url=stack.enter_context(new_database()),
                redis_url=redis_url,
                clouds="default=mock://?delay=0",
            ),
            **dict(re.findall(r"(GRANIAN_\w+)=(\w+)", DOCKERFILE)),
            "BODY_TIMEOUT_SECONDS": str(BODY_SECONDS),
        }
        prepared = run(["python", "manage.py", "shell", "--command", PREPARE], env)
        assert prepared.returncode == 0, prepared.stderr
        admin, reader = prepared.stdout.split()[-2:]
        ports = {"api": free_port(), "stream": free_port()}
        for service, port in ports.items():
            log = folder / f"{service}.log"
            command = command_of(service, _8000=str(port))
            stack.enter_context(
                running(command, env={**env, **own_environment(service)}, log=log)
            )
            eventually(partial(listening, port), what=service, log=log)
            # What is made for the first request is made.
            for _ in range(20):
                send(port, request("GET", "/api/v1/vms"))
        yield Front(ports["api"], ports["stream"], redis_url, folder, admin, reader)


#: Fewer connections for each process than it may have waits: who waits has none.
POOL = 2


@pytest.fixture(scope="session")
def attacked(ground: Ground) -> Ground:
    return ground.with_env(DATABASE_POOL_SIZE=str(POOL))


@pytest.fixture(scope="session")
def wsgi(
    attacked: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """granian with two workers of eight threads."""
    with served("wsgi", attacked, tmp_path_factory.mktemp("wsgi")) as service:
        yield service


@pytest.fixture(scope="session")
def asgi(
    attacked: Ground, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """granian with one worker, and a thread for each request."""
    with served("asgi", attacked, tmp_path_factory.mktemp("asgi")) as service:
        yield service


@pytest.fixture(params=["wsgi", "asgi"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    """Either of them, in whose log nothing went wrong."""
    service: Service = request.getfixturevalue(request.param)
    before = service.complaints()
    yield service
    assert service.complaints() == before
