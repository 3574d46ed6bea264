"""Reads: how many a second, beside the peer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.pair import Service
from tests.bench.processes import Process
from tests.bench.report import Plan, ratio, say, table
from tests.bench.wrk import Load, load

#: Label, path, and how many times as fast as the peer it shall be.
READS = (
    ("get one", "/api/v1/vms/{id}", 2),
    ("list 20", "/api/v1/vms?per_page=20", 3),
    ("list 100", "/api/v1/vms?per_page=100", 5),
    ("list 100, cursor", "/api/v1/vms?per_page=100&cursor=", 5),
    ("/health", "/health", 2),
)


@dataclass(frozen=True, slots=True)
class Side:
    """Who is asked, and as whom."""

    name: str
    process: Process
    bearer: str = ""


def measure(sides: Sequence[Side], path: str, plan: Plan) -> dict[str, list[Load]]:
    """Load all sides in turn, each round in another order."""
    found: dict[str, list[Load]] = {side.name: [] for side in sides}
    for side in sides:  # connections, statements, what is imported late
        load(side.process, path, seconds=1, bearer=side.bearer)
    for number in range(plan.rounds):
        start = number % len(sides)
        for side in (*sides[start:], *sides[:start]):
            found[side.name].append(
                load(side.process, path, seconds=plan.seconds, bearer=side.bearer)
            )
    return found


def compare(service: Service, peer: Process, plan: Plan) -> None:
    """Print the table of reads, and what a login costs beside an API token."""
    sides = (
        Side("ours", service.process, service.token),
        Side("peer", peer),
        Side("login", service.process, service.login),
    )
    rows, cpu, logins = [], [], []
    page = service.process.get("/api/v1/vms?per_page=1", service.token)
    for label, template, goal in READS:
        path = template.format(id=page["results"][0]["id"])
        check(service, peer, path)
        found = measure(sides, path, plan)
        mine, theirs, by_login = (
            [load.per_second for load in found[side.name]] for side in sides
        )
        rows.append(
            (label, *map(middle, (mine, theirs)), ratio(mine, theirs), f">= {goal}")
        )
        logins.append((label, middle(by_login), ratio(by_login, mine), ">= 0.90"))
        used = [[load.cpu_ms for load in found[side.name]] for side in sides]
        cpu.append((label, *(f"{statistics.median(ms):.3f}" for ms in used)))
    table(
        f"Reads on {plan.database}, requests per second",
        ("", "ours", "peer", "ours / peer", "goal"),
        rows,
    )
    table(
        f"A login (JWT) on {plan.database}, beside an API token",
        ("", "login", "login / token", "goal"),
        logins[:-1],  # /health asks nobody who they are
    )
    table(
        f"Processor time on {plan.database}, milliseconds per request",
        ("", "ours", "peer", "login"),
        cpu,
    )
    say(
        f"Medians of {plan.rounds} rounds of {plan.seconds:.0f} s, ratios with their spread."
    )


def check(service: Service, peer: Process, path: str) -> None:
    """See that both answer the same resources with the same fields."""
    mine, theirs = service.process.get(path, service.token), peer.get(path)
    if "results" not in mine:
        mine, theirs = {"results": [mine]}, {"results": [theirs]}
    for one, other in zip(mine["results"], theirs["results"], strict=True):
        if one.get("id") != other.get("id") or one.keys() != other.keys():
            raise SystemExit(f"{path}: {one} is not {other}")
    if not mine["results"]:
        raise SystemExit(f"{path}: empty")


def middle(rates: Sequence[float]) -> str:
    return f"{statistics.median(rates):.0f}"
