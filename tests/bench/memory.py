"""Memory of one process: warm, and after many requests of many shapes."""

import http.client
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tests.bench import wrk
from tests.bench.pair import Service
from tests.bench.processes import HOST
from tests.bench.report import Plan, say, table

MIB = 1024 * 1024
MOST_MIB = 160
MOST_GROWTH = 1.05
#: Requests of a kind in the mix; they are sent round and round.
MIX = {"get": 600, "unchanged": 200, "missing": 100, "list": 900, "write": 200}
STATUSES = ("ACTIVE", "SHUTOFF", "PAUSED", "SUSPENDED", "ERROR", "RESCUE", "BUILD")
SELECTORS = ("env=prod", "tier in (web,db),env!=test", "!legacy", "team,tier=api")
OTHER_LISTS = ("operations", "images", "snapshots", "keypairs", "projects", "flavors")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    #: The status of its answer.
    status: int = 200
    etag: str = ""
    body: str = ""


def measure(service: Service, plan: Plan, folder: Path, *, requests: int) -> None:
    """Print the memory after a tenth of the requests and after all of them."""
    mixed = list(_mix(service))
    random.Random(11).shuffle(mixed)  # noqa: S311  # the same order each time
    resident = [service.process.resident_bytes()]
    _try(service, mixed)
    resident.append(service.process.resident_bytes())
    file = folder / "mixed.requests"
    with file.open("w") as lines:
        lines.writelines(
            wrk.line(r.path, service.token, method=r.method, etag=r.etag, body=r.body)
            for r in mixed
        )
    sent = 0
    counts = [0, len(mixed)]
    for wanted in (requests // 10, requests):
        sent += _send(service, file, mixed, wanted - sent)
        counts.append(sent)
        resident.append(service.process.resident_bytes())
    labels = (
        "started",
        "each of the mix once",
        *(f"{n:,} requests" for n in counts[2:]),
    )
    table(
        f"Memory of one process on {plan.database}",
        ("after", "RSS, MiB"),
        [
            (label, f"{found / MIB:.1f}")
            for label, found in zip(labels, resident, strict=True)
        ],
    )
    say(
        f"Goals: less than {MOST_MIB} MiB; the last at most {MOST_GROWTH} of the one"
        f" before: {resident[-1] / resident[-2]:.3f}."
    )


def _send(service: Service, file: Path, mixed: Sequence[Request], wanted: int) -> int:
    """Send about as many requests as are wanted; return how many it were."""
    sent = refused = 0
    while sent < wanted:
        done = wrk.load(
            service.process,
            seconds=5,
            script=(str(file), "again", str(sent % len(mixed))),
            may_refuse=True,
        )
        sent += done.count
        refused += done.refused
    expected = sum(request.status >= 400 for request in mixed) / len(mixed)
    if abs(refused / sent - expected) > 0.02:
        raise SystemExit(
            f"{refused} of {sent} requests were refused, not {expected:.0%}"
        )
    return sent


def _try(service: Service, mixed: Sequence[Request]) -> None:
    """Send each once, and see that it is answered as it should be."""
    connection = http.client.HTTPConnection(HOST, service.process.port)
    for request in mixed:
        headers = {"Authorization": f"Bearer {service.token}"}
        if request.etag:
            headers["If-None-Match"] = request.etag
        if request.body:
            headers["Content-Type"] = "application/json"
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        text = response.read().decode()
        if response.status != request.status:
            raise SystemExit(f"{request}: {response.status} {text}")
    connection.close()


def _mix(service: Service) -> Iterator[Request]:
    choose = random.Random(7)  # noqa: S311  # the same each time
    vms = [
        vm
        for page in range(1, 11)
        for vm in service.process.get(
            f"/api/v1/vms?per_page=100&page={page}", service.token
        )["results"]
    ]
    written, read = vms[:200], vms[200:]
    for vm in choose.choices(read, k=MIX["get"]):
        yield Request("GET", f"/api/v1/vms/{vm['id']}")
    for vm in choose.choices(read, k=MIX["unchanged"]):
        etag = f'"{vm["version"]}"'
        yield Request("GET", f"/api/v1/vms/{vm['id']}", 304, etag=etag)
    for _ in range(MIX["missing"]):
        missing = uuid.UUID(int=choose.getrandbits(128), version=4)
        yield Request("GET", f"/api/v1/vms/{missing}", 404)
    for _ in range(MIX["list"]):
        yield Request("GET", _list(choose, read))
    for number, vm in enumerate(written[: MIX["write"]]):
        labels = json.dumps({"labels": {"number": str(number)}})
        yield Request("PATCH", f"/api/v1/vms/{vm['id']}", body=labels)


def _list(choose: random.Random, vms: Sequence[dict[str, str]]) -> str:
    """Return the address of a list of some shape."""
    vm = choose.choice(vms)
    # Short ones more often than long ones, as people ask.
    parameters = [f"per_page={choose.choice((1, 5, 10, 20, 20, 20, 50, 100))}"]
    if choose.random() < 0.2:
        other = choose.choice(OTHER_LISTS)
        return f"/api/v1/{other}?{parameters[0]}"
    keys = choose.sample(("created_at", "updated_at", "name"), k=choose.randint(0, 3))
    if keys:
        signed = ",".join(choose.choice(("", "-")) + key for key in keys)
        parameters.append(f"ordering={signed}")
    if choose.random() < 0.5:
        parameters.append("cursor=")
    filters = {
        "status": ",".join(choose.sample(STATUSES, k=choose.randint(1, 3))),
        "label_selector": quote(choose.choice(SELECTORS)),
        "name__contains": vm["name"][2:8],
        "search": vm["name"][:6],
        "name": vm["name"],
        "flavor": vm["flavor"],
        "project": vm["project"],
        "created_at__gte": vm["created_at"],
        "include_deleted": "true",
    }
    for name in choose.sample(sorted(filters), k=choose.choice((0, 0, 1, 1, 2, 3))):
        parameters.append(f"{name}={filters[name]}")
    return f"/api/v1/vms?{'&'.join(parameters)}"
