"""Compare what we believe with what the cloud has: no duplicate, no orphan, no lie."""

from collections import Counter
from typing import Any

from compute.models import (
    VM,
    Event,
    FloatingIP,
    Network,
    Operation,
    Port,
    Project,
    Resource,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    SnapshotStatus,
    Subnet,
    subjects,
)
from compute.models.kinds import in_use
from compute.models.lifecycle import MOVING
from compute.services import quotas
from compute.services.resources.calls import owner_of
from compute.services.vms import observed
from providers.contract.cloud import Cloud

NETWORK_MODELS: tuple[Any, ...] = (
    Network,
    Subnet,
    Router,
    FloatingIP,
    SecurityGroup,
    SecurityGroupRule,
)


def check(cloud: Cloud) -> None:
    """Assert that nothing is under way, and that both sides agree."""
    check_at_rest()
    check_servers(cloud)
    check_images(cloud)
    check_networks(cloud)
    check_ports(cloud)
    check_history()
    check_versions()
    check_quotas()


def check_at_rest() -> None:
    """Assert that every operation has ended and that nothing moves."""
    assert not Operation.objects.live().exists()
    assert not VM.objects.filter(status__in=MOVING).exists()
    assert not Snapshot.objects.filter(status__in=("CREATING", "DELETING")).exists()
    for model in NETWORK_MODELS:
        moving = ("CREATING", "UPDATING", "DELETING")
        assert not model.objects.filter(status__in=moving).exists()


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


def check_networks(cloud: Cloud) -> None:
    """Assert that each thing of Neutron's that is ours has its row, and the other way."""
    listed: dict[Any, list[Any]] = {
        Network: cloud.networks.list_all(),
        Subnet: cloud.subnets.list_all(),
        Router: cloud.routers.list_all(),
        FloatingIP: cloud.floating_ips.list_all(),
        SecurityGroup: (groups := cloud.security_groups.list_all()),
        SecurityGroupRule: [rule for group in groups for rule in group.rules],
    }
    for model, things in listed.items():
        owners = Counter(thing.marker for thing in things if owner_of(thing.marker))
        assert not [marker for marker, n in owners.items() if n > 1], "duplicates"
        there = {thing.id: thing for thing in things}
        alive = model.objects.alive().exclude(provider_id="")
        rows = {row.provider_id: row for row in alive}
        assert rows.keys() <= there.keys(), f"a {model.kind} that is not there"
        ours = {thing.id for thing in things if owner_of(thing.marker)}
        assert ours <= rows.keys(), f"a {model.kind} that nobody has"
    interfaces = {
        (port.router_id, ip.subnet_id)
        for port in cloud.ports.list_all()
        if port.router_id
        for ip in port.fixed_ips
    }
    attached = Subnet.objects.alive().filter(router__isnull=False)
    kept = set(attached.values_list("router__provider_id", "provider_id"))
    assert kept <= interfaces, "a subnet without its router"
    for group in SecurityGroup.objects.alive():
        shown = {rule["id"] for rule in group.rules}
        alive = group.rule_rows.filter(deleted_at=None).exclude(provider_id="")
        assert shown == set(map(str, alive.values_list("pk", flat=True)))


def check_ports(cloud: Cloud) -> None:
    """Assert that an attachment has two ends that agree, and an address one owner."""
    there = {port.id: port for port in cloud.ports.list_all()}
    rows = {
        port.provider_id: port
        for port in Port.objects.alive().exclude(provider_id="").select_related("vm")
    }
    for id, port in there.items():
        if owner_of(port.marker):
            assert id in rows, "a port that nobody has"
    for id, row in rows.items():
        assert row.vm.deleted_at is None, "a port of a deleted VM"
        if not row.vm.lacks_server:
            assert there[id].device_id == row.vm.server_id
    addresses = Counter(
        (port.network_id, ip.ip) for port in there.values() for ip in port.fixed_ips
    )
    assert not [place for place, n in addresses.items() if n > 1], "an address twice"
    for vm in VM.objects.alive():
        ports = {str(port.pk) for port in rows.values() if port.vm_id == vm.pk}
        assert {shown["port"] for shown in vm.networks} == ports
    led = {floating_ip.id: floating_ip for floating_ip in cloud.floating_ips.list_all()}
    for floating_ip in FloatingIP.objects.alive().exclude(provider_id=""):
        own = floating_ip.port
        seen = led[floating_ip.provider_id]
        assert seen.port_id == (own.provider_id if own else None)
        assert floating_ip.vm_id == (own.vm_id if own else None)


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


def check_versions() -> None:
    """Assert that the log has led up to the version that each thing has."""
    told = Event.objects.exclude(subject_version=None).order_by("sequence")
    newest: dict[Any, int] = {}
    for event in told:
        project, kind, id = event.project_id, event.subject_kind, event.subject_id
        version = event.subject_version or 0
        assert newest.get((project, kind, id), 0) <= version, f"{kind} {id} went back"
        newest[project, kind, id] = version
    for (_, kind, id), version in newest.items():
        row = subjects.find(kind, id)
        assert row.version == version, f"{kind} {id} changed without an event"
