"""Projects with one of everything in them, and people who may more or less there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import Permission
from django.db.models import Model

from compute.events import Actor
from compute.models import (
    VM,
    APIToken,
    Delivery,
    Event,
    FloatingIP,
    Image,
    Keypair,
    Network,
    Operation,
    Port,
    Project,
    Role,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    User,
    Webhook,
)
from compute.services import (
    floating_ips,
    keypairs,
    networks,
    security_groups,
    snapshots,
    tokens,
    vms,
    webhooks,
)
from compute.services.ports import Wish
from compute.services.webhooks import Receiver
from tests.conftest import drain_all
from tests.support.factories import ProjectFactory, UserFactory, VMFactory

#: What Neutron has of a project, beside its ports.
NETWORK_MODELS: tuple[type[Model], ...] = (
    FloatingIP,
    Network,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)
PASSWORD = "correct horse battery"  # pragma: allowlist secret


@dataclass
class Place:
    """A project. Whatever somebody wrote in it has ``name`` in it."""

    name: str
    project: Project
    #: By role, and "leaver", whom nothing happens to but that they leave.
    people: dict[str, User]
    vm: VM
    snapshot: Snapshot
    image: Image
    #: Names in paths and bodies -> their values. The operation has not begun yet,
    #: on a VM of its own. Nothing is on the spare network.
    ids: dict[str, Any]

    def secrets(self) -> Iterator[str]:
        """Return all that nobody outside of the project may read."""
        yield self.name
        yield str(self.project.pk)
        models: tuple[type[Model], ...] = (
            VM,
            Snapshot,
            Operation,
            Image,
            APIToken,
            Keypair,
            Event,
            Port,
            Webhook,
            *NETWORK_MODELS,
        )
        for model in models:
            mine = model._default_manager.filter(project=self.project)
            yield from map(str, mine.values_list("pk", flat=True))
        prefixes = APIToken.objects.filter(project=self.project)
        yield from prefixes.values_list("prefix", flat=True)
        yield self.vm.server_id
        yield self.image.provider_id
        with_ids: tuple[type[Model], ...] = (Port, *NETWORK_MODELS)
        for model in with_ids:
            there = model._default_manager.filter(project=self.project)
            yield from there.values_list("provider_id", flat=True)
        ports = Port.objects.filter(project=self.project)
        yield from ports.values_list("mac", flat=True)
        deliveries = Delivery.objects.filter(webhook__project=self.project)
        yield from map(str, deliveries.values_list("pk", flat=True))
        addresses = FloatingIP.objects.filter(project=self.project)
        yield from addresses.values_list("address", flat=True)


def settle(*names: str) -> list[Place]:
    """Make projects with people and one of everything; it needs the catalogue."""
    projects = {
        name: ProjectFactory.create(name=name, description=f"the project of {name}")
        for name in names
    }
    for name, project in projects.items():
        _ask_for_networks(name, project)
    drain_all()
    for name, project in projects.items():
        vms.create(
            project=project,
            actor=_actor(name),
            flavor="m1.small",
            image="ubuntu-22.04",
            name=f"{name}-vm",
            networks=[Wish(f"{name}-network")],
            security_groups=[f"{name}-group"],
            **_told(name),
        )
    drain_all()
    for name, project in projects.items():
        floating_ips.create(
            project=project,
            actor=_actor(name),
            name=f"{name}-floating-ip",
            vm=f"{name}-vm",
            **_told(name),
        )
    drain_all()
    for name, project in projects.items():
        vm = VM.objects.get(project=project)
        snapshots.create(vm, actor=_actor(name), name=f"{name}-snapshot", **_told(name))
    drain_all()
    return [_furnish(name, project) for name, project in projects.items()]


def _ask_for_networks(name: str, project: Project) -> None:
    actor = _actor(name)
    for suffix, cidr, internet in (
        ("network", "10.1.0.0/24", True),
        ("spare", "10.2.0.0/24", False),
    ):
        networks.create(
            project=project,
            actor=actor,
            name=f"{name}-{suffix}",
            cidr=cidr,
            internet=internet,
            **_told(name),
        )
    rule = {
        "direction": "ingress",
        "protocol": "tcp",
        "port_min": 443,
        "port_max": 443,
        "cidr": "192.0.2.0/24",
        "description": f"a rule of {name}",
    }
    security_groups.create(
        project=project,
        actor=actor,
        name=f"{name}-group",
        rules_given=[rule],
        **_told(name),
    )


def _actor(name: str) -> Actor:
    return Actor(f"user:{name}-admin", request_id=f"req-{name}")


def _told(name: str) -> Any:
    return {
        "description": f"an example of {name}",
        "labels": {f"{name}-key": f"{name}-value"},
    }


def _furnish(name: str, project: Project) -> Place:
    """Add what would not outlast the work on a cloud, and people."""
    people = {
        role: member(project, role, username=f"{name}-{role}") for role in Role.values
    }
    people["leaver"] = member(project, Role.READER, username=f"{name}-leaver")
    vm, snapshot = (
        VM.objects.get(project=project),
        Snapshot.objects.get(project=project),
    )
    busy = vms.act(
        VMFactory.create(project=project, name=f"{name}-busy"),
        "stop",
        actor=_actor(name),
    )
    token, _ = tokens.create(
        user=people["admin"],
        project=project,
        role=Role.READER,
        name=f"{name}-token",
        actor=_actor(name),
        expires_at=None,
    )
    keypair, _ = keypairs.create(
        project=project,
        name=f"{name}-keypair",
        actor=_actor(name),
        labels=_told(name)["labels"],
    )
    webhook, _ = webhooks.create(
        project=project,
        name=f"{name}-webhook",
        url=Receiver(f"https://hooks.example.com/{name}"),
        actor=_actor(name),
        labels=_told(name)["labels"],
    )
    delivery = webhooks.send_test(webhook, actor=_actor(name))
    image, operation = snapshot.image, busy.operation
    event = Event.objects.about("vm", vm.pk).first()
    assert image is not None
    assert operation is not None
    assert event is not None
    ids = {
        "project": project.pk,
        "vm": vm.pk,
        "snapshot": snapshot.pk,
        "image": image.pk,
        "flavor": vm.flavor_id,
        "operation": operation.pk,
        "token": token.pk,
        "keypair": keypair.pk,
        "webhook": webhook.pk,
        "delivery": delivery.pk,
        "event": event.pk,
        **_network_ids(name, project),
        "leaver": people["leaver"].username,
    }
    return Place(name, project, people, vm, snapshot, image, ids)


def _network_ids(name: str, project: Project) -> dict[str, Any]:
    own, spare = (
        Network.objects.get(project=project, name=f"{name}-{suffix}")
        for suffix in ("network", "spare")
    )
    group = SecurityGroup.objects.get(project=project)
    return {
        "network": own.pk,
        "spare_network": spare.pk,
        "subnet": own.subnet_rows.get().pk,
        "spare_subnet": spare.subnet_rows.get().pk,
        "router": Router.objects.get(project=project).pk,
        "floating_ip": FloatingIP.objects.get(project=project).pk,
        "group": group.pk,
        "rule": group.rule_rows.get(direction="ingress").pk,
    }


def member(project: Project, role: str, *, username: str) -> User:
    """Return a new user with a role in a project."""
    user: User = UserFactory.create(username=username)
    project.memberships.create(user=user, role=role)
    return user


def staff(username: str, *codenames: str) -> User:
    """Return a new operator with some of Django's permissions."""
    user: User = UserFactory.create(username=username, is_staff=True)
    found = Permission.objects.filter(codename__in=codenames)
    assert len(found) == len(set(codenames)), codenames
    user.user_permissions.set(found)
    return user


def api_token(user: User, project: Project, role: str) -> str:
    """Return the secret of a new API token."""
    _, secret = tokens.create(
        user=user,
        project=project,
        role=Role(role),
        name="key",
        actor=Actor("system"),
        expires_at=None,
    )
    return secret
