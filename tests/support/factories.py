"""Rows as tests need them, already in a legal state."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import factory
from django.utils import timezone

from compute.models import (
    VM,
    APIToken,
    Delivery,
    Flavor,
    FloatingIP,
    Image,
    Login,
    Membership,
    Network,
    Port,
    Project,
    Quota,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Snapshot,
    Subnet,
    User,
    Webhook,
)
from compute.services import quotas


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user-{n}")


class ProjectFactory(factory.django.DjangoModelFactory[Project]):
    class Meta:
        model = Project
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"project-{n}")

    @factory.post_generation  # type: ignore[untyped-decorator]  # of factory_boy
    def quotas(project: Any, create: bool, extracted: Any, **_: Any) -> None:  # noqa: N805  # factory_boy calls it with the project
        quotas.open_for(project)
        Quota.objects.filter(project=project).update(limit=None)


class MembershipFactory(factory.django.DjangoModelFactory[Membership]):
    class Meta:
        model = Membership

    project = factory.LazyFunction(lambda: Project.objects.default())
    user = factory.SubFactory(UserFactory)
    role = "member"


class APITokenFactory(factory.django.DjangoModelFactory[APIToken]):
    """A token as it is stored; its secret nobody has, not even the test."""

    class Meta:
        model = APIToken

    user = factory.SubFactory(UserFactory)
    project = factory.LazyFunction(lambda: Project.objects.default())
    role = "member"
    name = factory.Sequence(lambda n: f"token-{n}")
    prefix = factory.Sequence(lambda n: f"osl_{n:08}")
    digest = factory.Sequence(lambda n: f"{n:064x}")
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=90))


class LoginFactory(factory.django.DjangoModelFactory[Login]):
    class Meta:
        model = Login

    user = factory.SubFactory(UserFactory)
    kind = "browser"
    auth_hash = "hash-that-nobody-sees"
    address = "192.0.2.7"
    user_agent = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0"
    expires_at = factory.LazyFunction(lambda: timezone.now() + timedelta(hours=12))


class FlavorFactory(factory.django.DjangoModelFactory[Flavor]):
    class Meta:
        model = Flavor

    cloud = "default"
    provider_id = factory.Sequence(lambda n: f"flavor-{n}")
    name = factory.Sequence(lambda n: f"m9.size-{n}")
    vcpus = 1
    ram_mb = 2048
    disk_gb = 20


class ImageFactory(factory.django.DjangoModelFactory[Image]):
    class Meta:
        model = Image

    cloud = "default"
    provider_id = factory.Sequence(lambda n: f"image-{n}")
    name = factory.Sequence(lambda n: f"plan9-{n}")


class VMFactory(factory.django.DjangoModelFactory[VM]):
    """A VM at rest. It has no server in the cloud: see the fixture ``make_vm``."""

    class Meta:
        model = VM

    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
    name = factory.Sequence(lambda n: f"vm-{n}")
    status = "ACTIVE"
    flavor_name = "m1.small"
    image_name = "ubuntu-22.04"
    vcpus = 1
    ram_mb = 2048
    disk_gb = 20
    deleted_at = factory.LazyAttribute(
        lambda vm: timezone.now() if vm.status == "DELETED" else None
    )


class SnapshotFactory(factory.django.DjangoModelFactory[Snapshot]):
    """A snapshot at rest, without an image in the cloud."""

    class Meta:
        model = Snapshot

    vm = factory.SubFactory(VMFactory)
    project = factory.SelfAttribute("vm.project")
    cloud = factory.SelfAttribute("vm.cloud")
    name = factory.Sequence(lambda n: f"snapshot-{n}")
    status = "AVAILABLE"
    deleted_at = factory.LazyAttribute(
        lambda snapshot: timezone.now() if snapshot.status == "DELETED" else None
    )


class NetworkFactory(factory.django.DjangoModelFactory[Network]):
    """A network at rest, which the cloud does not have; and so are those below."""

    class Meta:
        model = Network

    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
    name = factory.Sequence(lambda n: f"network-{n}")
    status = "ACTIVE"


class RouterFactory(factory.django.DjangoModelFactory[Router]):
    class Meta:
        model = Router

    external_network = factory.SubFactory(NetworkFactory, external=True)
    project = factory.SelfAttribute("external_network.project")
    cloud = factory.SelfAttribute("external_network.cloud")
    name = factory.Sequence(lambda n: f"router-{n}")
    external_ip = "198.18.0.7"
    status = "ACTIVE"


class SubnetFactory(factory.django.DjangoModelFactory[Subnet]):
    class Meta:
        model = Subnet

    network = factory.SubFactory(NetworkFactory)
    router = factory.SubFactory(RouterFactory)
    project = factory.SelfAttribute("network.project")
    cloud = factory.SelfAttribute("network.cloud")
    name = factory.Sequence(lambda n: f"subnet-{n}")
    cidr = factory.Sequence(lambda n: f"10.{n // 256 % 256}.{n % 256}.0/24")
    ip_version = 4
    status = "ACTIVE"


class PortFactory(factory.django.DjangoModelFactory[Port]):
    class Meta:
        model = Port

    vm = factory.SubFactory(VMFactory)
    project = factory.SelfAttribute("vm.project")
    cloud = factory.SelfAttribute("vm.cloud")
    network = factory.SubFactory(NetworkFactory)


class FloatingIPFactory(factory.django.DjangoModelFactory[FloatingIP]):
    class Meta:
        model = FloatingIP

    network = factory.SubFactory(NetworkFactory, external=True)
    project = factory.SelfAttribute("network.project")
    cloud = factory.SelfAttribute("network.cloud")
    address = factory.Sequence(lambda n: f"198.18.{n // 256 % 256}.{n % 256}")
    status = "ACTIVE"


class SecurityGroupFactory(factory.django.DjangoModelFactory[SecurityGroup]):
    class Meta:
        model = SecurityGroup

    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
    name = factory.Sequence(lambda n: f"group-{n}")
    status = "ACTIVE"


class SecurityGroupRuleFactory(factory.django.DjangoModelFactory[SecurityGroupRule]):
    class Meta:
        model = SecurityGroupRule

    group = factory.SubFactory(SecurityGroupFactory)
    project = factory.SelfAttribute("group.project")
    cloud = factory.SelfAttribute("group.cloud")
    direction = "ingress"
    ip_version = 4
    key = factory.Sequence(lambda n: f"ingress IPv4 {n} anywhere")
    status = "ACTIVE"


class WebhookFactory(factory.django.DjangoModelFactory[Webhook]):
    class Meta:
        model = Webhook

    project = factory.LazyFunction(lambda: Project.objects.default())
    name = factory.Sequence(lambda n: f"webhook-{n}")
    url = "https://hooks.example.com/vms"


class DeliveryFactory(factory.django.DjangoModelFactory[Delivery]):
    class Meta:
        model = Delivery

    webhook = factory.SubFactory(WebhookFactory)
    event_id = factory.LazyFunction(uuid4)
    event_type = "vm.updated"
    sequence = factory.Sequence(int)
