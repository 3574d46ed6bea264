"""Router: what connects subnets with each other and with an external network."""

from django.db import models

from compute.models.network import MAX_ADDRESS
from compute.models.network_resource import NetworkResource, NetworkResourceQuerySet


class RouterQuerySet(NetworkResourceQuerySet["Router"]):
    pass


class Router(NetworkResource):
    kind = "router"
    ACTIONS = ("attach-subnet", "detach-subnet", "set-gateway")

    #: ``None``: it has no gateway.
    external_network = models.ForeignKey(
        "compute.Network",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="routers",
    )
    #: Its own address there.
    external_ip = models.CharField(max_length=MAX_ADDRESS, null=True, blank=True)  # noqa: DJ001  # null is "none", and there is no other empty
    #: ``[{"id", "cidr"}]``, as `Subnet.router` has them.
    subnets = models.JSONField(default=list, blank=True)

    objects = RouterQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        pass
