"""Every command of Dockerfile and compose.yaml, run as a process on this machine.

PostgreSQL and Redis are the ones that answer here; the commands are as written. The
image's environment is built by .ci/run, because that takes a minute.
"""

import http.client
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.deployed import (
    COMPOSE,
    HOST,
    POSTGRES_URL,
    Stack,
    collect_static,
    command_of,
    deployed,
    environment,
    eventually,
    free_port,
    instructions,
    new_redis,
    new_virtual_host,
    run,
)
from tests.support.roles import Database, new_roles

pytestmark = [
    pytest.mark.once,
    pytest.mark.e2e,
    pytest.mark.broker,
    pytest.mark.slow,
    # The processes below are started once, so one test process runs all of these.
    pytest.mark.xdist_group("deployment"),
]


def exec_form(instruction: str) -> list[str]:
    """Return the command of HEALTHCHECK or CMD, written as a list."""
    words: list[str] = yaml.safe_load(instruction[instruction.index("[") :])
    return words


def request(
    method: str, port: int, path: str, body: str | None = None, **headers: str
) -> tuple[int, Mapping[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, headers={"Host": HOST, **sent})
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, dict(response.headers), text


def get(port: int, path: str, **headers: str) -> tuple[int, Mapping[str, str], str]:
    return request("GET", port, path, **headers)


def call(method: str, stack: Stack, path: str, **fields: str) -> dict[str, Any]:
    """Call the API as through a proxy that speaks HTTPS, and return what it answers."""
    status, _, text = request(
        method,
        stack.api_port,
        f"/api/v1{path}",
        json.dumps(fields) if method == "POST" else None,
        x_forwarded_proto="https",
        content_type="application/json",
        authorization=f"Bearer {stack.token}",
    )
    assert status < 300, text
    document: dict[str, Any] = json.loads(text)
    return document


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    """An empty database that belongs to these tests."""
    with new_roles() as database:
        yield database


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with new_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def amqp_url() -> Iterator[str]:
    with new_virtual_host() as url:
        yield url


@pytest.fixture(scope="module")
def env(
    database: Database,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, str]:
    return environment(
        tmp_path_factory.mktemp("env"),
        database_url=database.url,
        redis_url=redis_url,
        clouds="default=mock://?delay=0",
    )


@pytest.fixture(scope="module")
def collected(env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    collect_static(env, tmp_path_factory.mktemp("build"))


@pytest.fixture(scope="module", params=["redis", "rabbitmq"])
def stack(
    request: pytest.FixtureRequest,
    env: dict[str, str],
    database: Database,
    collected: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    if request.param == "rabbitmq":
        env = {**env, "CELERY_BROKER_URL": request.getfixturevalue("amqp_url")}
    logs = tmp_path_factory.mktemp("logs")
    with deployed(env, logs, owner_url=database.owner_url) as stack:
        yield stack


def test_the_image_starts_the_api_by_default() -> None:
    (command,) = (line for line in instructions("CMD") if "granian" in line)
    assert exec_form(command) == command_of("api")


@pytest.mark.parametrize("server", ["api", "stream"])
def test_a_server_is_healthy(stack: Stack, server: str) -> None:
    port = stack.api_port if server == "api" else stack.stream_port
    status, headers, body = get(port, "/health")
    assert (status, body) == (200, '{"status":"ok"}\n')
    assert headers["x-request-id"].startswith("req-")


def test_the_health_check_of_the_image_tells_up_from_down(stack: Stack) -> None:
    (check,) = instructions("HEALTHCHECK")
    # A machine that reaches the world through a proxy reaches itself without one.
    proxied = {**stack.env, "http_proxy": f"http://127.0.0.1:{free_port()}"}

    def asking(port: int) -> list[str]:
        return [word.replace("8000", str(port)) for word in exec_form(check)]

    assert run(asking(stack.api_port), proxied).returncode == 0
    assert run(asking(free_port()), proxied).returncode != 0


def test_the_stream_starts_without_an_error(stack: Stack) -> None:
    assert "rror" not in stack.log("stream")


def test_plain_http_is_sent_to_https(stack: Stack) -> None:
    status, headers, _ = get(stack.api_port, "/api/v1/vms")
    assert status == 301
    assert headers["location"] == "https://vm.example.org/api/v1/vms"


def test_the_api_answers_behind_a_proxy_that_speaks_https(stack: Stack) -> None:
    path = "/api/v1/vms"
    status, headers, _ = get(stack.api_port, path, x_forwarded_proto="https")
    assert status == 401
    status, headers, _ = get(
        stack.api_port,
        path,
        x_forwarded_proto="https",
        authorization=f"Bearer {stack.token}",
    )
    assert status == 200
    assert "max-age" in headers["strict-transport-security"]


@pytest.mark.parametrize(
    ("path", "accept", "content_type"),
    [
        ("/admin/login/", "text/html", "text/html"),
        ("/api/v1/docs", "text/html", "text/html"),
        ("/api/v1/vms", "text/html", "text/html"),
        ("/problems/not-found", "text/html", "text/html"),
        ("/problems/nothing", "text/html", "text/html"),
        ("/api/v1/vms", "application/json", "application/"),
        ("/api/v1/nothing", "application/json", "application/problem+json"),
        ("/nothing", "application/json", "application/problem+json"),
    ],
)
def test_every_answer_tells_browsers_to_be_careful(
    stack: Stack, path: str, accept: str, content_type: str
) -> None:
    _, headers, _ = get(stack.api_port, path, x_forwarded_proto="https", accept=accept)
    assert headers["content-type"].startswith(content_type)
    directives = headers["content-security-policy"].split("; ")
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'"} < set(
        directives
    )
    assert headers["strict-transport-security"] == (
        "max-age=31536000; includeSubDomains; preload"
    )
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"


def test_cookies_travel_over_https_only_and_no_cache_keeps_the_console(
    stack: Stack,
) -> None:
    _, headers, _ = get(stack.api_port, "/admin/login/", x_forwarded_proto="https")
    cookie = {part.strip() for part in headers["set-cookie"].split(";")}
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= cookie
    assert "no-store" in headers["cache-control"]


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


def test_the_health_check_of_the_beat_tells_whether_it_sends(stack: Stack) -> None:
    kind, *command = COMPOSE["services"]["beat"]["healthcheck"]["test"]
    assert kind == "CMD"
    sent = Path(stack.env["DATA_DIR"]) / "beat"
    command = [word.replace("/data/beat", str(sent)) for word in command]
    eventually(
        lambda: run(command, stack.env).returncode == 0,
        what="sending",
        log=stack.logs / "beat.log",
    )
    sleeping = [word.replace("time.time()", "time.time() + 40") for word in command]
    assert run(sleeping, stack.env).returncode != 0


def test_the_beat_loads_the_catalogue_through_the_worker(stack: Stack) -> None:
    def flavors() -> set[str]:
        return {row["name"] for row in call("GET", stack, "/flavors")["results"]}

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
