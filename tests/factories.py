"""Rows as tests need them, already in a legal state."""

import factory
from django.utils import timezone

from compute.models import VM, Flavor, Image, Project, Snapshot, User


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user-{n}")


class ProjectFactory(factory.django.DjangoModelFactory[Project]):
    class Meta:
        model = Project

    name = factory.Sequence(lambda n: f"project-{n}")


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
