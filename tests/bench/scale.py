"""What a request costs with many VMs, beside what it costs with few.

Both are served at the same time and asked in turn, over one connection each. Of 200
projects one has a tenth of all VMs; its member asks, and an operator, who sees all.
"""

import http.client
import json
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.databases import new_database
from tests.bench.processes import HOST, Process, environment, manage, ours, shell
from tests.bench.report import say, table

FEW = 10_000
PROJECTS = 200
#: Times that each request is measured, and before that sent without.
SAMPLES, UNMEASURED = 25, 5
ORDERINGS = ("-created_at", "created_at", "-updated_at", "updated_at", "name", "-name")
#: Pages of a hundred that a cursor has gone past before the one that is measured.
DEPTH = 20
MOST_RATIO, MOST_MS = 1.2, 50
STOP = "accept a stop"
LIST = "/api/v1/vms?per_page=100"

#: Makes a member of the project that has the most VMs, and an operator; prints the API
#: token of one and the access token of the other.
PRINCIPALS = """
import json
from django.db.models import Count
from compute.events import Actor
from compute.models import VM, Membership, Project, Role, User
from compute.services import logins, tokens
system = Actor("system")
counted = VM.objects.values("project").annotate(vms=Count("pk")).order_by("-vms")
project = Project.objects.get(pk=counted[0]["project"])
member, _ = User.objects.get_or_create(username="bench-member")
Membership.objects.get_or_create(
    user=member, project=project, defaults={"role": Role.MEMBER})
operator, _ = User.objects.get_or_create(
    username="bench-operator", defaults={"is_staff": True, "is_superuser": True})
token = tokens.create(user=member, project=project, role=Role.MEMBER, name="bench",
                      actor=system, expires_at=None)
login = logins.begin_tokens(operator, actor=system, user_agent="")
print(json.dumps([counted[0]["vms"], token[1], login.access]))
"""


@dataclass(frozen=True, slots=True)
class Side:
    process: Process
    vms_of_project: int
    #: Who asks -> bearer.
    bearers: dict[str, str]


class Client:
    """One connection, and one who asks."""

    def __init__(self, side: Side, who: str) -> None:
        self.connection = http.client.HTTPConnection(HOST, side.process.port)
        self.headers = {"Authorization": f"Bearer {side.bearers[who]}"}
        self.base = f"http://{HOST}:{side.process.port}"

    def close(self) -> None:
        self.connection.close()

    def ask(self, path: str, method: str = "GET") -> tuple[dict[str, Any], float]:
        """Return the document of a request that must succeed, and milliseconds."""
        begun = time.perf_counter()
        self.connection.request(method, path, headers=self.headers)
        response = self.connection.getresponse()
        text = response.read()
        taken = (time.perf_counter() - begun) * 1000
        if response.status >= 300:
            raise SystemExit(f"{path}: {response.status} {text.decode()}")
        document: dict[str, Any] = json.loads(text)
        return document, taken

    def deep(self, path: str) -> str:
        """Return the address of a page that lies deep in a walk by cursor."""
        for _ in range(DEPTH):
            following = self.ask(path)[0]["next"]
            if following is None:
                break
            path = following.removeprefix(self.base)
        return path

    def paths(self) -> dict[str, list[str]]:
        """Return what is asked for, by label; of several addresses each once."""
        active, _ = self.ask(f"{LIST}&status=ACTIVE&ordering=name")
        vms = active["results"]
        name, address = vms[-1]["name"], vms[-1]["addresses"][0]["ip"]
        lists = {
            **{
                f"cursor, {key}": self.deep(f"{LIST}&cursor=&ordering={key}")
                for key in ORDERINGS
            },
            "page with count": LIST,
            "ordering=name": f"{LIST}&ordering=name",
            "status=ERROR": f"{LIST}&status=ERROR",
            "status=ERROR, cursor": self.deep(f"{LIST}&cursor=&status=ERROR"),
            "status=BUILD (none)": f"{LIST}&status=BUILD",
            "search, name": f"{LIST}&search={name[1:]}",
            "search, nothing found": f"{LIST}&search=no-such-thing",
            "search, address": f"{LIST}&search={address[:-1]}",
            "name__contains": f"{LIST}&name__contains={name[2:]}",
            "label_selector, many": f"{LIST}&label_selector=env%3Dprod",
            "label_selector, none": f"{LIST}&label_selector=env%3Dno-such",
        }
        return {
            "get one": [f"/api/v1/vms/{vm['id']}" for vm in vms],
            **{label: [path] for label, path in lists.items()},
            STOP: [f"/api/v1/vms/{vm['id']}/actions/stop" for vm in vms],
        }


def measure(
    server_url: str, folder: Path, *, few: int = FEW, many: int, keep: bool = False
) -> None:
    """Print the milliseconds of each request with few VMs and with many.

    ``keep`` takes the databases that an earlier run has filled and left.
    """
    with (
        side(server_url, folder, vms=few, keep=keep) as small,
        side(server_url, folder, vms=many, keep=keep) as large,
    ):
        for who in small.bearers:
            rows = [
                (
                    label,
                    *(f"{statistics.median(taken):.1f}" for taken in times),
                    f"{statistics.median(times[1]) / statistics.median(times[0]):.2f}",
                )
                for label, times in _times(small, large, who)
            ]
            table(
                f"As {who}: milliseconds per request, lists of 100",
                ("", f"{few:,} VMs", f"{many:,} VMs", "ratio"),
                rows,
            )
    say(
        f"Medians of {SAMPLES}. The member's project has {small.vms_of_project:,} and"
        f" {large.vms_of_project:,} VMs. Goals: with a cursor a ratio of at most"
        f" {MOST_RATIO}; search, name__contains and label_selector at most {MOST_MS} ms."
    )


@contextmanager
def side(server_url: str, folder: Path, *, vms: int, keep: bool) -> Iterator[Side]:
    """Serve a database with this many VMs, filling it where it is empty."""
    own = folder / str(vms)
    own.mkdir()
    with new_database(server_url, own, str(vms), keep=keep) as url:
        env = environment(own, url)
        manage(env, "migrate", "--verbosity", "0")
        if shell(env, "print(VM.objects.exists())").strip() == "False":
            begun = time.monotonic()
            seeded = ("--vms", str(vms), "--projects", str(PROJECTS), "--history", "1")
            manage(env, "seed_demo", *seeded)
            say(f"Seeded {vms:,} VMs in {time.monotonic() - begun:.0f} s.")
        in_project, token, login = json.loads(shell(env, PRINCIPALS))
        with ours(env) as process:
            yield Side(process, in_project, {"a member": token, "an operator": login})


def _times(
    small: Side, large: Side, who: str
) -> Iterator[tuple[str, tuple[list[float], list[float]]]]:
    """Ask both in turn."""
    with closing(Client(small, who)) as one, closing(Client(large, who)) as other:
        yield from _in_turn((one, other), who)


def _in_turn(
    clients: tuple[Client, Client], who: str
) -> Iterator[tuple[str, tuple[list[float], list[float]]]]:
    paths = [client.paths() for client in clients]
    for label in paths[0]:
        if label == STOP and who != "a member":
            continue  # by name both begin with the same VMs
        method = "POST" if label == STOP else "GET"
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(UNMEASURED + SAMPLES):
            for client, known, taken in zip(clients, paths, times, strict=True):
                path = known[label][number % len(known[label])]
                taken.append(client.ask(path, method)[1])
        yield label, (times[0][UNMEASURED:], times[1][UNMEASURED:])
