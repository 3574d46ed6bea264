"""Demo data: plausible VMs, in the mock cloud and in the database alike."""

import random
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from django.db import connection, connections, models, transaction
from django.utils import timezone

from compute import clouds, events
from compute.errors import OpenStackError
from compute.events import Actor
from compute.models import (
    VM,
    Event,
    Flavor,
    Image,
    Operation,
    OperationStatus,
    OperationType,
    Project,
    VMStatus,
)
from compute.services import catalog, quotas
from compute.services.vms import observed
from providers.contract.servers import Server
from providers.mock import MockCloud, SeedServer

#: What the VMs rest in, and how many of a hundred.
STATUSES = {
    VMStatus.ACTIVE: 70,
    VMStatus.SHUTOFF: 15,
    VMStatus.PAUSED: 3,
    VMStatus.SUSPENDED: 3,
    VMStatus.SHELVED_OFFLOADED: 4,
    VMStatus.RESCUE: 1,
    VMStatus.ERROR: 4,
}
TIERS = ("web", "api", "db", "cache", "queue", "build", "monitor", "vpn")
ENVIRONMENTS = ("prod", "staging", "test")
TEAMS = ("atlas", "borealis", "core", "data")
PEOPLE = ("user:ada", "user:barbara", "user:edsger", "user:grace")
FAULT = "No valid host was found. There are not enough hosts available."
FAILURE = "The hypervisor did not answer."
ACTOR = Actor("system")
#: How old they are at most.
DAYS = 90
#: VMs made at a time: as many are in memory, and in one transaction.
BATCH = 2000
#: What was done to the VMs since, in turn: type, status before, meanwhile and after.
DEEDS = (
    (OperationType.VM_STOP, VMStatus.ACTIVE, VMStatus.STOPPING, VMStatus.SHUTOFF),
    (OperationType.VM_START, VMStatus.SHUTOFF, VMStatus.STARTING, VMStatus.ACTIVE),
    (OperationType.VM_REBOOT, VMStatus.ACTIVE, VMStatus.REBOOT, VMStatus.ACTIVE),
)
#: Edits of the description between two operations.
EDITS = 2
#: How long an operation took.
TOOK = timedelta(seconds=3)


class NotAMockError(Exception):
    """Demo data would be real servers: the cloud is not a mock."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a VM shall be."""

    project: Project
    name: str
    labels: Mapping[str, str]
    status: VMStatus
    flavor: Flavor
    image: Image
    created_at: datetime


def seed(
    count: int, *, cloud: str | None = None, projects: int = 1, history: int = 0
) -> int:
    """Add ``count`` VMs to a mock cloud; return how many VMs it has then.

    They go to the default project, or to so many new ``projects``, of which the first
    gets a tenth. ``history``: operations of each VM since it was created, with five
    events each. Raises `NotAMockError` for any other cloud and
    `providers.errors.ProviderError`.
    """
    alias = cloud or clouds.default_alias()
    mock = mock_of(alias)
    catalog.refresh(alias)
    owners = _owners(projects)
    try:
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            fill(alias, mock, [_owner(owners, n) for n in numbers], history=history)
    finally:
        for owner in owners:
            quotas.recount(owner)
    _tidy()
    total: int = VM.objects.alive().filter(cloud=alias).count()
    return total


def mock_of(alias: str) -> MockCloud:
    """Return a cloud that is a mock, or raise NotAMockError."""
    mock = clouds.get(alias)
    if not isinstance(mock, MockCloud):
        raise NotAMockError(f"The cloud {alias} is not a mock: no demo data for it.")
    return mock


def fill(
    alias: str,
    mock: MockCloud,
    owners: Sequence[Project],
    *,
    history: int,
    days: int = DAYS,
    failing: int = 0,
) -> None:
    """Add a VM for each of ``owners``, made in the last ``days``.

    Of a hundred operations after its creation ``failing`` have failed. Quotas are not
    counted, and the catalogue of the cloud must be known.
    """
    flavors = list(Flavor.objects.offered().filter(cloud=alias))
    images = list(Image.objects.offered().filter(cloud=alias, project=None))
    choices = [_choose(owner, flavors, images, days) for owner in owners]
    _make(alias, mock, choices, history, failing)


def _owners(count: int) -> list[Project]:
    if count == 1:
        return [Project.objects.default()]
    owners = [
        Project(name=f"{TEAMS[n % len(TEAMS)]}-{TIERS[n % len(TIERS)]}-{n:03}")
        for n in range(1, count + 1)
    ]
    with transaction.atomic():
        Project.objects.bulk_create(owners)
        for owner in owners:
            quotas.open_for(owner)
            details = {"name": owner.name}
            events.record(
                "project.created", actor=ACTOR, project=owner, details=details
            )
    return owners


def _owner(owners: Sequence[Project], number: int) -> Project:
    if number % 10 == 0 or len(owners) == 1:
        return owners[0]
    return random.choice(owners[1:])  # noqa: S311


def _choose(
    project: Project, flavors: Sequence[Flavor], images: Sequence[Image], days: int
) -> Choice:
    # Not for secrets: names and sizes.
    tier, environment = random.choice(TIERS), random.choice(ENVIRONMENTS)  # noqa: S311
    image = random.choice(images)  # noqa: S311
    fitting = [f for f in flavors if f.disk_gb >= image.min_disk_gb]
    age = timedelta(minutes=random.randint(1, days * 24 * 60))  # noqa: S311
    return Choice(
        project,
        name=f"{tier}-{environment}-{random.randint(1, 9999):04}",  # noqa: S311
        labels={
            "tier": tier,
            "env": environment,
            "team": random.choice(TEAMS),  # noqa: S311
        },
        status=random.choices([*STATUSES], [*STATUSES.values()])[0],  # noqa: S311
        flavor=random.choice(fitting),  # noqa: S311
        image=image,
        created_at=timezone.now().replace(microsecond=0) - age,
    )


def _make(
    alias: str, mock: MockCloud, choices: Sequence[Choice], history: int, failing: int
) -> None:
    """Make the servers of some VMs, and then their rows."""
    wanted = {uuid.uuid4(): choice for choice in choices}
    ids = mock.controls.seed(
        SeedServer(
            name=choice.name,
            flavor_id=choice.flavor.provider_id,
            image_id=choice.image.provider_id,
            status=choice.status,
            tags=frozenset({str(vm_id)}),
            created_at=choice.created_at,
            fault=FAULT if choice.status == VMStatus.ERROR else None,
            launched=choice.status != VMStatus.ERROR,
        )
        for vm_id, choice in wanted.items()
    )
    vms: list[VM] = []
    operations: list[Operation] = []
    log: defaultdict[uuid.UUID, list[Event]] = defaultdict(list)
    servers = mock.controls.shown(ids)
    for (vm_id, choice), server in zip(wanted.items(), servers, strict=True):
        vm = _vm(alias, vm_id, server, choice)
        vms.append(vm)
        for operation, about in _past(vm, history, failing):
            operations.append(operation)
            log[choice.project.pk] += about
        vm.operation = operations[-1]
    with transaction.atomic():
        _insert(operations)
        _insert(vms)
        events.record_each(log, insert=_insert)


def _insert(rows: Sequence[models.Model]) -> None:
    """Add rows, of one model; into PostgreSQL by COPY, which costs less than INSERT."""
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_create(rows, batch_size=1000)
        return
    fields = model._meta.concrete_fields
    columns = ", ".join(f'"{field.column}"' for field in fields)
    statement = f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN'
    # Not the proxy for it: that would be asked again at every value.
    database = connections[connection.alias]
    values = attrgetter(*(field.attname for field in fields))
    prepare = [field.get_db_prep_save for field in fields]
    with database.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            pairs = zip(prepare, values(row), strict=True)
            copy.write_row([prepared(value, database) for prepared, value in pairs])


def _tidy() -> None:
    """Tell the database what its tables hold now: until then it plans for empty ones."""
    tables = (VM, Operation, Event)
    # Not inside a transaction, as in a test.
    vacuum = connection.vendor == "postgresql" and not connection.in_atomic_block
    with connection.cursor() as cursor:
        for model in tables:
            verb = "VACUUM ANALYZE" if vacuum else "ANALYZE"
            cursor.execute(f'{verb} "{model._meta.db_table}"')


def _vm(alias: str, vm_id: uuid.UUID, server: Server, choice: Choice) -> VM:
    flavor, image = choice.flavor, choice.image
    vm: VM = VM(
        id=vm_id,
        project=choice.project,
        cloud=alias,
        name=server.name,
        labels=choice.labels,
        flavor_name=flavor.name,
        flavor=flavor,
        image_name=image.name,
        image=image,
        vcpus=flavor.vcpus,
        ram_mb=flavor.ram_mb,
        disk_gb=flavor.disk_gb,
        status=choice.status,
        server_id=server.id,
        created_at=server.created_at,
        updated_at=server.created_at,
    )
    observed.note(vm, server)
    if vm.status == VMStatus.ERROR:
        vm.error = observed.fault_problem(server).document()
    return vm


def _past(
    vm: VM, history: int, failing: int
) -> Iterator[tuple[Operation, list[Event]]]:
    """Yield the operations of a VM, oldest first, with the events of each."""
    created = _operation(vm, OperationType.VM_CREATE, vm.created_at, ACTOR)
    event = events.by(ACTOR, "vm.created", subject=vm, operation=created)
    event.created_at = vm.created_at
    yield created, [event]
    if vm.status == VMStatus.ERROR:  # its build failed
        return
    pause = (timezone.now() - vm.created_at) / (history + 1)
    for number in range(history):
        at = vm.created_at + pause * (number + 1)
        person = random.choice(PEOPLE)  # noqa: S311
        actor = Actor(person, request_id=f"req-{uuid.uuid4()}")
        type, before, meanwhile, after = DEEDS[number % len(DEEDS)]
        error = None
        if random.randrange(100) < failing:  # noqa: S311
            error, after = OpenStackError(FAILURE).document(), before
        operation = _operation(vm, type, at, actor, before, after, error)
        end, after_all = at + TOOK, Actor(ACTOR.name, request_id=actor.request_id)
        finished = events.by(
            after_all,
            "operation.finished",
            subject=operation,
            operation=operation,
            details={"status": operation.status, "error": error},
        )
        finished.created_at = end
        about = [
            _update(vm, at, actor, operation, status=[before, meanwhile]),
            finished,
            _update(vm, end, after_all, operation, status=[meanwhile, after]),
        ]
        for edit in range(EDITS):
            edited = at + pause * (edit + 1) / (EDITS + 1)
            text = ["", f"Reviewed on {edited:%Y-%m-%d}"]
            about.append(_update(vm, edited, actor, description=text))
        yield operation, about
        vm.updated_at = about[-1].created_at


def _operation(
    vm: VM,
    type: OperationType,
    at: datetime,
    actor: Actor,
    before: str = "",
    after: str = VMStatus.ACTIVE,
    error: Any = None,
) -> Operation:
    error = error or vm.error
    failed = error is not None
    return Operation(
        type=type,
        status=OperationStatus.FAILED if failed else OperationStatus.SUCCEEDED,
        error=error,
        project=vm.project,
        cloud=vm.cloud,
        target_kind=vm.kind,
        target_id=vm.pk,
        from_status=before,
        end_status=after,
        requested_by=actor.name,
        request_id=actor.request_id,
        progress=70 if failed else 100,
        attempts=1,
        deadline=at + timedelta(hours=1),
        created_at=at,
        updated_at=at,
        started_at=at,
        finished_at=at + TOOK,
    )


def _update(
    vm: VM,
    at: datetime,
    actor: Actor,
    operation: Operation | None = None,
    **changes: Sequence[str],
) -> Event:
    vm.version += 1
    event = events.by(
        actor, "vm.updated", subject=vm, operation=operation, changes=changes
    )
    event.created_at = at
    return event
