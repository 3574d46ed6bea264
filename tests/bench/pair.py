"""This service over demo VMs, and its peer over the same."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.databases import for_peer, new_database
from tests.bench.processes import (
    KEPT,
    PEER_PYTHON,
    Process,
    environment,
    manage,
    ours,
    peer,
    run,
    shell,
)

#: Makes a member of the default project, and prints what it may send.
PRINCIPAL = """
import json
from compute.events import Actor
from compute.models import Membership, Project, Role, User
from compute.services import logins, tokens
system, project = Actor("system"), Project.objects.default()
user = User.objects.create(username="bench")
Membership.objects.create(user=user, project=project, role=Role.MEMBER)
login = logins.begin_tokens(user, actor=system, user_agent="")
token = tokens.create(user=user, project=project, role=Role.MEMBER, name="bench",
                      actor=system, expires_at=None)
print(json.dumps([token[1], login.access]))
"""


@dataclass(frozen=True, slots=True)
class Service:
    process: Process
    #: What it runs with.
    env: Mapping[str, str]
    #: An API token of a member, and the access token of the same user's login.
    token: str
    login: str


@contextmanager
def service(folder: Path, server_url: str, *, vms: int) -> Iterator[Service]:
    """Start this service, over a database of its own with demo VMs."""
    with new_database(server_url, folder, "ours") as url:
        env = environment(folder, url)
        manage(env, "migrate", "--verbosity", "0")
        manage(env, "seed_demo", "--vms", str(vms))
        token, login = json.loads(shell(env, PRINCIPAL))
        with ours(env) as process:
            yield Service(process, env, token, login)


@contextmanager
def beside(one: Service, folder: Path, server_url: str) -> Iterator[Process]:
    """Start the peer, over a database of its own with the VMs of this service."""
    with new_database(server_url, folder, "peer") as url:
        env = {name: value for name, value in os.environ.items() if name in KEPT}
        env["PEER_DATABASE_URL"] = for_peer(url)
        vms = "".join(json.dumps(body) + "\n" for body in every_vm(one))
        run([str(PEER_PYTHON), "-m", "tests.peer.load"], env, lines=vms)
        with peer(env) as process:
            yield process


def every_vm(one: Service) -> Iterator[dict[str, object]]:
    path = "/api/v1/vms?per_page=100&cursor="
    while path:
        page = one.process.get(path, one.token)
        yield from page["results"]
        path = (page["next"] or "").partition(str(one.process.port))[2]
