"""Accepting an action, beside the peer's update at once.

What this service does for it: the row of the VM, an operation, what it occupies, an
event, and the counter of the project's events, which is locked to commit.
"""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from tests.bench.pair import Service
from tests.bench.processes import Process, shell
from tests.bench.report import Plan, ratio, table
from tests.bench.wrk import Load, line, load

CLIENTS = 8
PROJECTS = 50
GOAL = ">= 0.70"

#: Spreads half of the ACTIVE VMs over more projects; prints an API token and the ids of
#: ACTIVE VMs for each project, the default project first.
SPREAD = """
import json
from compute.events import Actor
from compute.models import VM, Membership, Operation, Project, Role, User
from compute.services import tokens
user, system = User.objects.get(username="bench"), Actor("system")
active = list(VM.objects.filter(status="ACTIVE").values_list("id", flat=True))
half = len(active) // 2
projects = [Project.objects.default()]
groups = [active[:half]]
for number in range({projects}):
    project = Project.objects.create(name=f"bench-{{number}}")
    Membership.objects.create(user=user, project=project, role=Role.MEMBER)
    ids = active[half + number::{projects}]
    VM.objects.filter(id__in=ids).update(project=project)
    Operation.objects.filter(target_id__in=ids).update(project=project)
    projects.append(project)
    groups.append(ids)
print(json.dumps([
    [
        tokens.create(user=user, project=project, role=Role.MEMBER, name="writes",
                      actor=system, expires_at=None)[1],
        [str(id) for id in ids],
    ]
    for project, ids in zip(projects, groups)
]))
"""


@dataclass(slots=True)
class Script:
    """Requests of which each is sent once."""

    process: Process
    file: Path
    sent: int = 0

    def run(self, seconds: float) -> Load:
        arguments = (str(self.file), "once", str(self.sent))
        done = load(
            self.process, seconds=seconds, connections=CLIENTS, script=arguments
        )
        # With those on their way when the time was over.
        self.sent += done.count + CLIENTS
        return done


def compare(service: Service, peer: Process, plan: Plan, folder: Path) -> None:
    """Print how many actions a second are accepted, in one project and in many."""
    one, *many = json.loads(shell(service.env, SPREAD.format(projects=PROJECTS)))
    cases = (
        ("all in one project", [one]),
        (f"spread over {PROJECTS} projects", many),
    )
    rows = []
    for label, groups in cases:
        stops = [
            (token, vm_id)
            for ids in zip(*(ids for _, ids in groups), strict=False)
            for (token, _), vm_id in zip(groups, ids, strict=True)
        ]
        rows.append(_compare(service, peer, plan, folder, label, stops))
    table(
        f"Actions on {plan.database}, accepted per second, {CLIENTS} clients",
        ("", "ours", "peer", "ours / peer", "goal", "ours, ms CPU", "peer, ms CPU"),
        rows,
    )


def _compare(
    service: Service,
    peer: Process,
    plan: Plan,
    folder: Path,
    label: str,
    stops: Sequence[tuple[str, str]],
) -> Sequence[str]:
    own_file = folder / "ours.requests"
    with own_file.open("w") as file:
        file.writelines(_action(vm_id, "stop", token) for token, vm_id in stops)
    peer_file = folder / "peer.requests"
    with peer_file.open("w") as file:
        # It has done them when it answers, so they can be done again.
        for action, _ in zip(cycle(("stop", "start")), range(20), strict=False):
            file.writelines(_action(vm_id, action) for _, vm_id in stops)
    sides = (Script(service.process, own_file), Script(peer, peer_file))
    found: tuple[list[Load], list[Load]] = ([], [])
    for side in sides:
        side.run(1)
    for number in range(plan.rounds):
        for which in (0, 1) if number % 2 else (1, 0):
            found[which].append(sides[which].run(plan.seconds))
    rates = [[load.per_second for load in loads] for loads in found]
    return (
        label,
        *(f"{statistics.median(side):.0f}" for side in rates),
        ratio(*rates),
        GOAL,
        *(f"{statistics.median(load.cpu_ms for load in loads):.2f}" for loads in found),
    )


def _action(vm_id: str, action: str, token: str = "") -> str:
    path = f"/api/v1/vms/{vm_id}/actions/{action}"
    return line(path, token, method="POST")
