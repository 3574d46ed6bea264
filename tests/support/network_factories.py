"""Rows of what Neutron has, at rest; none of it is in the cloud."""

import factory

from compute.models import (
    FloatingIP,
    Network,
    Project,
    Router,
    SecurityGroup,
    SecurityGroupRule,
    Subnet,
)


class NetworkFactory(factory.django.DjangoModelFactory[Network]):
    class Meta:
        model = Network

    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
    name = factory.Sequence(lambda n: f"network-{n}")
    status = "ACTIVE"
    mtu = 1450


class RouterFactory(factory.django.DjangoModelFactory[Router]):
    class Meta:
        model = Router

    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
    name = factory.Sequence(lambda n: f"router-{n}")
    status = "ACTIVE"


class SubnetFactory(factory.django.DjangoModelFactory[Subnet]):
    class Meta:
        model = Subnet

    network = factory.SubFactory(NetworkFactory)
    project = factory.SelfAttribute("network.project")
    cloud = factory.SelfAttribute("network.cloud")
    name = factory.Sequence(lambda n: f"subnet-{n}")
    status = "ACTIVE"
    cidr = factory.Sequence(lambda n: f"10.{n // 256 % 256}.{n % 256}.0/24")
    ip_version = 4


class FloatingIPFactory(factory.django.DjangoModelFactory[FloatingIP]):
    class Meta:
        model = FloatingIP

    network = factory.SubFactory(NetworkFactory, external=True)
    project = factory.LazyFunction(lambda: Project.objects.default())
    cloud = "default"
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
    status = "ACTIVE"
    direction = "ingress"
    ip_version = 4
    key = factory.Sequence(lambda n: f"ingress IPv4 tcp {n} anywhere")
