"""Demo data: plausible VMs, in the mock cloud and in the database alike."""

import random
import uuid
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from compute import clouds, events
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
from compute.services import catalog, observed, quotas, settling
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
FAULT = "No valid host was found. There are not enough hosts available."
ACTOR = Actor("system")
BATCH = 1000


class NotAMockError(Exception):
    """Demo data would be real servers: the cloud is not a mock."""


def seed(count: int, *, cloud: str | None = None) -> int:
    """Add ``count`` VMs to a mock cloud; return how many VMs it has then.

    Raises `NotAMockError` for any other cloud and `providers.errors.ProviderError`.
    """
    alias = cloud or clouds.default_alias()
    mock = clouds.get(alias)
    if not isinstance(mock, MockCloud):
        raise NotAMockError(f"The cloud {alias} is not a mock: no demo data for it.")
    catalog.refresh(alias)
    flavors = list(Flavor.objects.offered().filter(cloud=alias))
    images = list(Image.objects.offered().filter(cloud=alias, project=None))
    wanted = {str(uuid.uuid4()): _choose(flavors, images) for _ in range(count)}
    ids = mock.controls.seed(
        SeedServer(
            name=choice["name"],
            flavor_id=choice["flavor"].provider_id,
            image_id=choice["image"].provider_id,
            status=choice["status"],
            tags=frozenset({vm_id}),
            created_at=choice["created_at"],
            fault=FAULT if choice["status"] == VMStatus.ERROR else None,
            launched=choice["status"] != VMStatus.ERROR,
        )
        for vm_id, choice in wanted.items()
    )
    seeded = set(ids)
    servers = [server for server in mock.servers.list_all() if server.id in seeded]
    with transaction.atomic():
        _store(alias, servers, wanted)
    total: int = VM.objects.alive().filter(cloud=alias).count()
    return total


def _choose(flavors: list[Flavor], images: list[Image]) -> dict[str, Any]:
    # Not for secrets: names and sizes.
    tier, environment = random.choice(TIERS), random.choice(ENVIRONMENTS)  # noqa: S311
    image = random.choice(images)  # noqa: S311
    fitting = [f for f in flavors if f.disk_gb >= image.min_disk_gb]
    age = timedelta(minutes=random.randint(1, 90 * 24 * 60))  # noqa: S311
    return {
        "name": f"{tier}-{environment}-{random.randint(1, 9999):04}",  # noqa: S311
        "labels": {
            "tier": tier,
            "env": environment,
            "team": random.choice(TEAMS),  # noqa: S311
        },
        "status": random.choices([*STATUSES], [*STATUSES.values()])[0],  # noqa: S311
        "flavor": random.choice(fitting),  # noqa: S311
        "image": image,
        "created_at": timezone.now().replace(microsecond=0) - age,
    }


def _store(
    alias: str, servers: list[Server], wanted: dict[str, dict[str, Any]]
) -> None:
    project = Project.objects.default()
    vms: list[VM] = []
    operations: list[Operation] = []
    for server in servers:
        vm_id = next(tag for tag in server.tags if tag in wanted)
        vm = _vm(project, alias, vm_id, server, wanted[vm_id])
        vms.append(vm)
        operations.append(_operation(vm))
    Operation.objects.bulk_create(operations, batch_size=BATCH)
    for vm, operation in zip(vms, operations, strict=True):
        vm.operation = operation
    VM.objects.bulk_create(vms, batch_size=BATCH)
    quotas.recount(project)
    events.record_all(
        project.pk,
        [
            Event(
                type="vm.created",
                subject_kind=vm.kind,
                subject_id=vm.pk,
                operation=operation,
                actor=ACTOR.name,
                created_at=vm.created_at,
            )
            for vm, operation in zip(vms, operations, strict=True)
        ],
    )


def _vm(
    project: Project, alias: str, vm_id: str, server: Server, choice: dict[str, Any]
) -> VM:
    flavor, image = choice["flavor"], choice["image"]
    vm: VM = VM(
        id=uuid.UUID(vm_id),
        project=project,
        cloud=alias,
        name=server.name,
        labels=choice["labels"],
        flavor_name=flavor.name,
        flavor=flavor,
        image_name=image.name,
        image=image,
        vcpus=flavor.vcpus,
        ram_mb=flavor.ram_mb,
        disk_gb=flavor.disk_gb,
        status=choice["status"],
        server_id=server.id,
        version=2,
        created_at=server.created_at,
        updated_at=server.created_at,
    )
    settling.note(vm, server)
    if vm.status == VMStatus.ERROR:
        vm.error = observed.fault_problem(server).document()
    return vm


def _operation(vm: VM) -> Operation:
    created: datetime = vm.created_at
    failed = vm.status == VMStatus.ERROR
    return Operation(
        type=OperationType.VM_CREATE,
        status=OperationStatus.FAILED if failed else OperationStatus.SUCCEEDED,
        error=vm.error,
        project=vm.project,
        cloud=vm.cloud,
        target_kind=vm.kind,
        target_id=vm.pk,
        end_status=VMStatus.ACTIVE,
        requested_by=ACTOR.name,
        progress=70 if failed else 100,
        attempts=1,
        deadline=created + timedelta(hours=1),
        created_at=created,
        updated_at=created,
        started_at=created,
        finished_at=created + timedelta(seconds=3),
    )
