"""Compare what we believe with what the cloud has: no duplicate, no orphan, no lie."""

from collections import Counter

from compute.models import (
    VM,
    Event,
    Operation,
    Project,
    Resource,
    Snapshot,
    SnapshotStatus,
)
from compute.models.kinds import in_use
from compute.models.lifecycle import MOVING
from compute.services import quotas
from compute.services.vms import observed
from providers.contract.cloud import Cloud


def check(cloud: Cloud) -> None:
    """Assert that nothing is under way, and that both sides agree."""
    check_at_rest()
    check_servers(cloud)
    check_images(cloud)
    check_history()
    check_quotas()


def check_at_rest() -> None:
    """Assert that every operation has ended and that nothing moves."""
    assert not Operation.objects.live().exists()
    assert not VM.objects.filter(status__in=MOVING).exists()
    assert not Snapshot.objects.filter(status__in=("CREATING", "DELETING")).exists()


def check_servers(cloud: Cloud) -> None:
    """Assert that each living VM has its one server, and that no other exists."""
    servers = [s for s in cloud.servers.list_all() if not observed.is_gone(s)]
    owners = Counter(tag for server in servers for tag in server.tags)
    assert not [tag for tag, count in owners.items() if count > 1], "duplicates"
    alive = {str(vm.pk): vm for vm in VM.objects.alive()}
    assert owners.keys() <= alive.keys(), "orphans"
    assert all(server.tags for server in servers), "somebody else's server"
    by_id = {server.id: server for server in servers}
    for vm in alive.values():
        assert vm.counted != vm.lacks_server, "counted without a server"
        server = by_id.get(vm.server_id)
        if server is None:
            assert vm.status == "ERROR", f"{vm.status} without a server"
        elif server.task_state is None and server.status in observed.RESTING_STATUSES:
            assert vm.status == observed.RESTING_STATUSES[server.status]
            assert (vm.vcpus, vm.ram_mb) == (server.vcpus, server.ram_mb)
            assert vm.never_launched == (server.launched_at is None)


def check_images(cloud: Cloud) -> None:
    """Assert that each image belongs to one living snapshot, and the other way."""
    images = cloud.images.list_snapshots()
    owners = Counter(image.tag for image in images)
    assert not [tag for tag, count in owners.items() if count > 1], "duplicates"
    alive = {str(snapshot.pk): snapshot for snapshot in Snapshot.objects.alive()}
    assert owners.keys() <= alive.keys(), "orphans"
    whole = {image.tag for image in images if image.status == "active"}
    for tag, snapshot in alive.items():
        if snapshot.status == SnapshotStatus.AVAILABLE:
            assert tag in whole, "AVAILABLE without an image"


def check_quotas() -> None:
    """Assert that what quotas say is used is what the rows hold, to the last MB."""
    for project in Project.objects.alive():
        kept = {Resource(quota.resource): quota.used for quota in quotas.of(project)}
        assert kept == in_use(project), project


def check_history() -> None:
    """Assert that each project's events count 1, 2, 3, … without a gap."""
    for project in Project.objects.all():
        found = Event.objects.filter(project=project).order_by("sequence")
        sequences = list(found.values_list("sequence", flat=True))
        assert sequences == list(range(1, len(sequences) + 1))
        assert project.event_sequence == len(sequences)
