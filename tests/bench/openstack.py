"""How long a server takes from the wish to ACTIVE: by this service, by openstacksdk.

    OS_CLOUD=… python -m tests.bench.openstack [rounds]

The service runs as compose.yaml says. Both are warm, ask for the same server, and take
turns; servers are removed outside of the measured time, one at a time. Figures to
compare within one run, never assertions.
"""

import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openstack
from openstack.connection import Connection

from tests.bench.report import say
from tests.support.openstack_service import Service, serving

FLAVOR, IMAGE = "m1.tiny", "cirros"
ROUNDS = 15
#: What openstacksdk asks at if nobody says otherwise, and what the service asks at.
SDK_DEFAULT, AS_OFTEN_AS_WE = 2, 0.25

#: Make a server of this name and return when it is ACTIVE.
Make = Callable[[str], None]


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    cloud = os.environ["OS_CLOUD"]
    warnings.simplefilter("ignore")  # openstacksdk's, of what it does itself
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(
            Path(folder), clouds=f"default=openstack://{cloud}", LOG_LEVEL="WARNING"
        ) as service,
        openstack.connect(cloud=cloud) as connection,
    ):
        ways: dict[str, Make] = {
            "service, Prefer: wait": by_service(service),
            f"openstacksdk, every {SDK_DEFAULT} s": by_sdk(connection, SDK_DEFAULT),
            f"openstacksdk, every {AS_OFTEN_AS_WE} s": by_sdk(
                connection, AS_OFTEN_AS_WE
            ),
        }
        seconds = measure(ways, connection, service, rounds=rounds)
    report(seconds)
    load, cores = os.getloadavg()[1], os.cpu_count()
    say(f"Load of this machine in the last 5 minutes: {load:.1f} on {cores} cores")


def by_service(service: Service) -> Make:
    def make(name: str) -> None:
        body = {"name": name, "flavor": FLAVOR, "image": IMAGE}
        answer = service.call("POST", "/vms", body)
        if answer.status_code != 201 or answer.json()["status"] != "ACTIVE":
            raise SystemExit(f"not made: {answer.text}")

    return make


def by_sdk(connection: Connection, interval: float) -> Make:
    # The ids are known to who has made servers before.
    compute, network = connection.compute, connection.network
    flavor_id = compute.find_flavor(FLAVOR, ignore_missing=False).id
    image_id = connection.image.find_image(IMAGE, ignore_missing=False).id
    (place,) = (
        n
        for n in network.networks()
        if not n.is_router_external
        and (n.is_shared or n.project_id == connection.current_project_id)
    )

    def make(name: str) -> None:
        server = compute.create_server(
            name=name,
            flavor_id=flavor_id,
            image_id=image_id,
            networks=[{"uuid": place.id}],
        )
        compute.wait_for_server(server, interval=interval, wait=120)

    return make


def measure(
    ways: dict[str, Make], connection: Connection, service: Service, *, rounds: int
) -> dict[str, list[float]]:
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    order = list(ways)
    # One round that does not count: connections, tokens, what Nova caches.
    for number in range(rounds + 1):
        for way in order:
            begun = time.perf_counter()
            ways[way]("bench")
            taken = time.perf_counter() - begun
            if number:
                seconds[way].append(taken)
            remove(connection, service)
        # Who comes after whom changes, so that nobody has an easier cloud.
        order.append(order.pop(0))
    return seconds


def remove(connection: Connection, service: Service) -> None:
    """Delete what was made, and return when it is gone."""
    for vm in service.get("/vms")["results"]:
        service.done("DELETE", f"/vms/{vm['id']}")
    for server in connection.compute.servers(name="^bench$"):
        connection.compute.delete_server(server)
        connection.compute.wait_for_delete(server, interval=0.25)


def report(seconds: dict[str, list[float]]) -> None:
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    ours = next(iter(medians.values()))
    for way, taken in seconds.items():
        low, high = min(taken), max(taken)
        compared: Any = ""
        if medians[way] != ours:
            compared = f", the service takes {ours / medians[way]:.2f} of it"
        say(
            f"{way:28} median {medians[way]:.2f} s of {len(taken)}"
            f" ({low:.2f} to {high:.2f}){compared}"
        )


if __name__ == "__main__":
    main()
