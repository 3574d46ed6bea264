"""Network, its subnets, and the ports that VMs have on it."""

from typing import Any

from django.db import models
from django.db.models import Q

from compute.models.network_resource import (
    NetworkResource,
    NetworkResourceQuerySet,
    optional_project,
)
from compute.models.owned import Versioned, VersionedQuerySet

#: ``fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128``
MAX_CIDR = 43
MAX_ADDRESS = 39


class NetworkQuerySet(NetworkResourceQuerySet["Network"]):
    pass


class Network(NetworkResource):
    """A network of a project; or one that the cloud offers to all, which has none."""

    kind = "network"

    project = optional_project()
    #: Whether the cloud offers it to all its projects.
    shared = models.BooleanField(default=False)
    #: Whether floating IPs and gateways of routers come from it.
    external = models.BooleanField(default=False)
    #: Whether VMs get it that name no network.
    default = models.BooleanField(default=False)
    mtu = models.PositiveIntegerField(null=True, blank=True)
    #: ``[{"id", "cidr"}]``, as `Subnet` has them.
    subnets = models.JSONField(default=list, blank=True)

    objects = NetworkQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        pass


class SubnetQuerySet(NetworkResourceQuerySet["Subnet"]):
    pass


class Subnet(NetworkResource):
    """A range of addresses of a network; the cloud's own where it offers the network."""

    kind = "subnet"
    ACTIONS = ("configure",)

    project = optional_project()
    network = models.ForeignKey(
        Network, on_delete=models.PROTECT, related_name="subnet_rows"
    )
    cidr = models.CharField(max_length=MAX_CIDR)
    ip_version = models.PositiveSmallIntegerField()
    gateway_ip = models.CharField(max_length=MAX_ADDRESS, null=True, blank=True)  # noqa: DJ001  # null is "none", and there is no other empty
    dns_nameservers = models.JSONField(default=list, blank=True)
    dhcp = models.BooleanField(default=True)
    #: ``[{"start", "end"}]``
    allocation_pools = models.JSONField(default=list, blank=True)
    #: The router that it is attached to.
    router = models.ForeignKey(
        "compute.Router",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="subnet_rows",
    )

    objects = SubnetQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        pass


class PortQuerySet(VersionedQuerySet["Port"]):
    pass


class Port(Versioned):
    """A VM's place on a network; no noun of its own: a VM's body shows it."""

    project = models.ForeignKey(
        "compute.Project", on_delete=models.PROTECT, related_name="ports"
    )
    cloud = models.CharField(max_length=64)
    vm = models.ForeignKey("compute.VM", on_delete=models.PROTECT, related_name="ports")
    network = models.ForeignKey(
        Network,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="ports",
    )
    #: Neutron's id of it.
    provider_id = models.CharField(max_length=64, blank=True, default="")
    #: Whether we made it, and so remove it when its VM has gone. Else Nova did.
    managed = models.BooleanField(default=True)
    #: The address that was asked for.
    requested_ip = models.CharField(max_length=MAX_ADDRESS, blank=True, default="")
    mac = models.CharField(max_length=32, blank=True, default="")
    #: ``[{"subnet", "ip"}]``; the subnet is an id of ours, or null.
    fixed_ips = models.JSONField(default=list, blank=True)
    security_groups: Any = models.ManyToManyField(
        "compute.SecurityGroup", related_name="ports", blank=True
    )

    objects = PortQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # whoever may see the VM sees its ports
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("cloud", "provider_id"),
                condition=~Q(provider_id="") & Q(deleted_at=None),
                name="port_owns_its_provider_id",
            ),
            # The loser of a race for an address of a network learns it here.
            models.UniqueConstraint(
                fields=("network", "requested_ip"),
                condition=~Q(requested_ip="") & Q(deleted_at=None),
                name="port_has_its_address_alone",
            ),
        )

    def __str__(self) -> str:
        return f"port {self.pk}"
