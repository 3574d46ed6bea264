"""Whatever the OpenAPI file allows, and what it forbids, sent to a running service."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml").read_text()
MANAGE = [sys.executable, "manage.py"]

PASSWORD = "correct horse battery"  # pragma: allowlist secret
#: Who logs in, and who comes with an API token, which is printed. Two people, as
#: everybody may revoke what tokens they have.
PEOPLE = f"""
from compute.events import SYSTEM
from compute.models import Project, Role, User
from compute.services import keypairs, tokens
project = Project.objects.default()
for role in ("member", "reader"):
    user = User.objects.create_user(role, password="{PASSWORD}")
    project.memberships.create(user=user, role=role)
for name in ("spare", "used"):
    token, secret = tokens.create(
        user=user, project=project, role=Role.READER, name=name, actor=SYSTEM,
        expires_at=None,
    )
keypairs.create(project=project, actor=SYSTEM, name="alice")
print(secret)
"""


@dataclass
class Service:
    """A service as in production, but for TLS, with a mock cloud that answers at once."""

    place: Path
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(64))
    url: str = ""
    #: The API token of a reader.
    reader: str = ""

    @property
    def environment(self) -> dict[str, str]:
        # Not DEBUG, which lets in who comes from the machine itself without a token.
        return os.environ | {
            "DEBUG": "false",
            "SECRET_KEY": self.secret_key,
            "ALLOWED_HOSTS": "127.0.0.1",
            "SECURE_SSL_REDIRECT": "false",
            "RATE_LIMIT": "1000000/60 second",
            "RATE_LIMIT_POLL": "1000000/60 second",
            "RATE_LIMIT_AUTH": "1000000/60 second",
            "DATA_DIR": str(self.place),
            "CLOUDS": "default=mock://?delay=0",
            "DATABASE_URL": f"sqlite:///{self.place / 'db.sqlite3'}",
            "DJANGO_SETTINGS_MODULE": "vmmanager.settings",
            "LOG_LEVEL": "WARNING",
        }

    def manage(self, *command: str) -> str:
        """Run a management command and return the last line it prints."""
        done = subprocess.run(  # noqa: S603  # our own command
            [*MANAGE, *command],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return done.stdout.strip().rpartition("\n")[2]

    def log_in(self, username: str) -> str:
        """Return an access token, which lasts ten minutes."""
        body = {"username": username, "password": PASSWORD}
        return str(self.call("", "POST", "/auth/tokens", body)["access"])

    def call(self, bearer: str, method: str, path: str, body: Any = None) -> Any:
        answer = requests.request(
            method,
            f"{self.url}/api/v1{path}",
            json=body,
            headers={"Prefer": "wait=20"}
            | ({"Authorization": f"Bearer {bearer}"} if bearer else {}),
            timeout=60,
        )
        assert answer.ok, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve the API, worker included, for people with passwords and API tokens."""
    place = tmp_path_factory.mktemp("service")
    service = Service(place)
    service.manage("migrate", "--verbosity", "0")
    service.reader = service.manage("shell", "--verbosity", "0", "--command", PEOPLE)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    service.url = f"http://127.0.0.1:{port}"
    with (place / "log").open("w") as log:
        server = subprocess.Popen(  # noqa: S603  # our own command
            [*MANAGE, "runserver", f"127.0.0.1:{port}", "--noreload"],
            cwd=ROOT,
            env=service.environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_answers(service.url)
        yield service
    finally:
        server.terminate()
        server.wait(30)
    assert "Traceback" not in (place / "log").read_text()


def _wait_until_it_answers(url: str) -> None:
    for _ in range(300):
        try:
            if requests.get(f"{url}/health/ready", timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)
    raise AssertionError("the service does not answer")


def furnish(service: Service, reader: str) -> dict[str, str]:
    """Make one of everything; return what begins a path -> the id of one of those."""
    member = service.log_in("member")
    wanted = {"name": "web", "flavor": "m1.small", "image": "ubuntu-22.04"}
    vm = service.call(member, "POST", "/vms", wanted)
    path = f"/vms/{vm['id']}/snapshots"
    snapshot = service.call(member, "POST", path, {"name": "before"})
    # One of its own: that of the others' VMs may have been deleted by now.
    keypair = service.call(member, "POST", "/keypairs", {"name": f"kept-{uuid4()}"})
    network = service.call(
        member, "POST", "/networks", {"name": "web", "cidr": "10.1.0.0/24"}
    )
    router = service.call(member, "POST", "/routers", {"name": "web"})
    floating_ip = service.call(member, "POST", "/floating-ips", {})
    group = service.call(member, "POST", "/security-groups", {"name": "web"})
    spare = service.call(reader, "GET", "/api-tokens?name=spare")["results"][0]
    return {
        "vms": vm["id"],
        "snapshots": snapshot["id"],
        "keypairs": keypair["id"],
        "networks": network["id"],
        "subnets": network["subnets"][0]["id"],
        "routers": router["id"],
        "floating-ips": floating_ip["id"],
        "security-groups": group["id"],
        "security-group-rules": group["rules"][0]["id"],
        "operations": vm["operation_id"],
        "images": snapshot["image"],
        "flavors": vm["flavor_id"],
        "projects": vm["project"],
        "api-tokens": spare["id"],
    }


def run(service: Service, place: Path, *options: str, bearer: str, config: str) -> None:
    """Run Schemathesis with a token; fail with what it has found."""
    (place / "schemathesis.toml").write_text(config)
    # Its own lines are not ours to measure, and measuring them took half of its time.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE_")}
    hooks = Path(__file__).with_name("schemathesis_hooks.py")
    environment["SCHEMATHESIS_HOOKS"] = str(hooks)
    done = subprocess.run(  # noqa: S603  # our own command
        [
            str(Path(sys.executable).with_name("schemathesis")),
            f"--config-file={place / 'schemathesis.toml'}",
            "run",
            f"{service.url}/api/v1/schema",
            f"--header=Authorization: Bearer {bearer}",
            "--no-color",
            *options,
        ],
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr


@pytest.mark.e2e
@pytest.mark.slow
def test_the_service_does_for_a_member_what_its_schema_says(
    service: Service, tmp_path: Path
) -> None:
    run(service, tmp_path, bearer=service.log_in("member"), config=CONFIG)


@pytest.mark.e2e
@pytest.mark.slow
def test_the_service_does_for_a_reader_what_its_schema_says(
    service: Service, tmp_path: Path
) -> None:
    # Who makes nothing finds what others made; it stays, for all writes are refused.
    there = "".join(
        f"""
[[operations]]
include-path-regex = "^/api/v1/{noun}/"
parameters = {{ "path.id" = "{id}" }}
"""
        for noun, id in furnish(service, service.reader).items()
    )
    run(
        service,
        tmp_path,
        # Of the other phases a reader has no more than a member.
        "--phases=examples,fuzzing",
        bearer=service.reader,
        config=CONFIG + there,
    )
