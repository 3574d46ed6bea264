"""What operations and passes cost: calls to the cloud, queries, memory."""

import gc
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
import time_machine
from django.db import connection
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from compute.engine import health, passes, runner
from compute.models import VM, Operation, Port, Project
from compute.models.vm import VERBS as RULES
from compute.services import quotas, snapshots, vms
from providers.mock import MockCloud, SeedServer
from tests.conftest import ALICE, Drain, compute_service, list_networks, observe
from tests.services.conftest import live
from tests.support import invariants as ledger
from tests.support.factories import VMFactory
from tests.support.service_verbs import SNAPSHOT_NAME, VERBS

MakeVM = Callable[..., VM]


def test_a_request_for_an_action_is_six_statements(make_vm: MakeVM) -> None:
    vm = make_vm()
    with CaptureQueriesContext(connection) as queries:
        vms.act(vm, "stop", actor=ALICE)
    sent = [q["sql"] for q in queries]
    # The outermost pair is the transaction's, inside that of the test.
    assert sent[0].startswith("SAVEPOINT")
    assert sent[-1].startswith("RELEASE SAVEPOINT")
    begins = (
        ("SELECT", "compute_vm"),  # locked
        ("INSERT INTO", "compute_operation"),
        ("INSERT INTO", "compute_occupation"),
        ("UPDATE", "compute_vm"),
        ("UPDATE", "compute_project"),  # its counter of events, locked to commit
        ("INSERT INTO", "compute_event"),
    )
    assert len(sent) == len(begins) + 2, sent
    for sql, (begin, table) in zip(sent[1:-1], begins, strict=True):
        assert sql.lstrip().startswith(begin), sql
        assert table in sql, sql


def adopt_servers(cloud: MockCloud, count: int) -> list[VM]:
    """Make VMs at rest with their servers, many and fast."""
    made = VMFactory.build_batch(count, image_name="cirros")
    for vm in made:
        vm.server_id = str(uuid.uuid4())
    cloud.controls.seed(
        SeedServer(
            name=vm.name,
            flavor_id="2",
            image_id="0d5b0c3e-2f68-4c4b-9a73-7e1d5f8a0061",
            tags=frozenset({str(vm.pk)}),
            id=vm.server_id,
        )
        for vm in made
    )
    VM.objects.bulk_create(made)
    quotas.recount(Project.objects.default())
    while Port.objects.count() < VM.objects.count():
        list_networks("default")  # which enters some of their ports at a time
    return made


@pytest.mark.parametrize("full", [True, False])
def test_a_pass_over_quiet_vms_writes_no_vm(
    catalogue: None, project: Project, cloud: MockCloud, full: bool
) -> None:
    made = adopt_servers(cloud, 60)
    observe(full=True)
    versions = dict(VM.objects.values_list("pk", "version"))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        observe(full=full)
    writes = [q["sql"] for q in queries if not q["sql"].startswith("SELECT")]
    # Each service has a row of its own; one is of `observe`, which makes passes due.
    writes = [sql for sql in writes if "INSERT" in sql or "UPDATE" in sql]
    assert all('"compute_cloud' in sql for sql in writes), writes
    # A full pass goes over networks too.
    assert len(queries) < (48 if full else 20)
    assert dict(VM.objects.values_list("pk", "version")) == versions
    assert len(made) == 60


def test_a_pass_looks_as_a_whole_at_no_vm_that_is_as_it_was(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    adopted = adopt_servers(cloud, 600)
    observe(full=True)
    for vm in adopted[:3]:
        cloud.controls.poke(vm.server_id, status="SHUTOFF")
    built: list[VM] = []

    def note(instance: VM, **_: object) -> None:
        built.append(instance)

    post_init.connect(note, sender=VM)
    try:
        with CaptureQueriesContext(connection) as queries:
            observe(full=True)
    finally:
        post_init.disconnect(note, sender=VM)
    updates = [q for q in queries if q["sql"].startswith('UPDATE "compute_vm"')]
    assert len(updates) == 3
    # Each is read once to look at it, and once more under its lock.
    assert len(built) == 6
    assert VM.objects.filter(status="SHUTOFF").count() == 3


def test_fifty_vms_in_flight_cost_no_more_listings_than_one(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    made = adopt_servers(cloud, 50)
    observe(full=True)
    for vm in made:
        vms.act(vm, "stop", actor=ALICE)
    cloud.controls.reset_counts()
    for operation in Operation.objects.live():
        runner.run(operation.pk)
    observe()
    assert not Operation.objects.live().exists()
    assert set(VM.objects.values_list("status", flat=True)) == {"SHUTOFF"}
    assert cloud.controls.call_counts() == {"servers.stop": 50, "servers.list_all": 1}
    ledger.check(cloud)


def test_images_are_listed_only_when_a_snapshot_was_taken(
    make_vm: MakeVM, cloud: MockCloud
) -> None:
    vm = make_vm()
    snapshots.create(vm, actor=ALICE, name="before")
    cloud.controls.reset_counts()
    runner.run(live().pk)
    observe()
    runner.run(live().pk)
    assert cloud.controls.call_counts() == {
        "servers.snapshot": 1,
        "servers.list_all": 1,
        "images.list_snapshots": 1,
    }
    assert not Operation.objects.live().exists()
    observe()
    assert cloud.controls.call_counts()["images.list_snapshots"] == 1


def test_a_create_costs_one_call_and_shared_listings(
    catalogue: None, project: Project, cloud: MockCloud, drain: Drain
) -> None:
    cloud.controls.reset_counts()
    vms.create(
        project=project, actor=ALICE, name="web", flavor="m1.small", image="cirros"
    )
    drain()
    assert spent(cloud) == {"ports.create": 1, "ports.get": 1, "servers.create": 1}


#: Beside the one write: the record of what the status alone cannot tell, a second step.
EXTRA = {
    "reboot": {"servers.get_action": 1, "servers.get": 2},
    "reboot_hard": {"servers.get_action": 1, "servers.get": 2},
    "rebuild": {"servers.get_action": 1, "servers.get": 2},
    "restore": {"servers.get_action": 1, "servers.get": 2},
    "resize": {"servers.get": 1, "servers.confirm_resize": 1},
    "attach_network": {
        "ports.create": 1,
        "ports.get": 1,
        "servers.get_action": 1,
    },
    "detach_network": {"ports.get": 2, "ports.delete": 1},
    # That the server is gone, before its port may go.
    "remove": {"servers.get": 1, "ports.delete": 1},
}
WRITES = {
    "reboot_hard": "servers.reboot",
    "restore": "servers.rebuild",
    "remove": "servers.delete",
    "attach_network": "servers.attach_port",
    "detach_network": "servers.detach_port",
    "set_security_groups": "ports.set_security_groups",
}


@pytest.mark.parametrize("verb", VERBS)
def test_an_action_costs_one_call_and_shared_listings(
    make_vm: MakeVM, cloud: MockCloud, drain: Drain, verb: str
) -> None:
    vm = make_vm(next(iter(RULES[verb].ends)))
    if verb == "restore":
        snapshots.create(vm, actor=ALICE, name=SNAPSHOT_NAME)
        drain()
        vm.refresh_from_db()
    cloud.controls.reset_counts()
    VERBS[verb](vm)
    drain()
    ledger.check(cloud)
    write = WRITES.get(verb, f"servers.{verb}")
    assert spent(cloud) == {write: 1, **EXTRA.get(verb, {})}


def spent(cloud: MockCloud) -> dict[str, int]:
    """Return the calls that were made but for the listings that all share."""
    counts = cloud.controls.call_counts()
    return {
        op: count
        for op, count in counts.items()
        if not op.endswith((".list_all", ".list_snapshots"))
    }


@pytest.fixture
def still() -> Iterator[time_machine.Traveller]:
    """Time that passes only when the test moves it."""
    with time_machine.travel(datetime.now(UTC), tick=False) as traveller:
        yield traveller


def listings_in_ten_seconds(
    cloud: MockCloud, still: time_machine.Traveller, count: int
) -> int:
    """Have ``count`` VMs in flight and return how often servers are listed."""
    for vm in adopt_servers(cloud, count):
        vms.act(vm, "stop", actor=ALICE)
    observe(full=True)
    cloud.controls.reset_counts()
    for _ in range(100):
        still.shift(0.1)
        runner.sweep()
        for operation in Operation.objects.claimable(timezone.now()):
            runner.run(operation.pk)
            health.ask_for_pass("default", "compute")
        passes.observe("default", "compute")
    assert cloud.controls.call_counts()["servers.stop"] == count
    return cloud.controls.call_counts()["servers.list_all"]


def test_200_vms_in_flight_are_listed_no_more_often_than_one(
    catalogue: None,
    project: Project,
    cloud: MockCloud,
    still: time_machine.Traveller,
) -> None:
    cloud.controls.inject("servers.stop", kind="stuck", times=0)
    one = listings_in_ten_seconds(cloud, still, 1)
    assert 10 < one <= 41
    assert listings_in_ten_seconds(cloud, still, 200) <= one
    assert Operation.objects.waiting().count() == 201


@pytest.mark.slow
def test_2500_servers_are_observed_page_by_page_in_constant_memory(
    catalogue: None, project: Project, cloud: MockCloud
) -> None:
    made = adopt_servers(cloud, 2500)
    observe(full=True)
    with CaptureQueriesContext(connection) as queries:
        observe(full=True)
    assert len(queries) < 70
    assert compute_service().seen == 2500
    VM.objects.filter(pk=made[0].pk).update(status="SHUTOFF")
    # What each pass leaves behind must not add up.
    tracemalloc.start()
    kept = []
    for _ in range(3):
        observe(full=True)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept[-1] - kept[0] < 200_000
    assert peak < 40_000_000
    made[0].refresh_from_db()
    assert made[0].status == "ACTIVE"
    ledger.check(cloud)
