"""Floating IP: an address of an external network that leads to a VM."""

from django.db import models

from compute.limits import MAX_NAME, NAME_RULES
from compute.models.network import MAX_ADDRESS
from compute.models.network_resource import NetworkResource, NetworkResourceQuerySet


class FloatingIPQuerySet(NetworkResourceQuerySet["FloatingIP"]):
    pass


class FloatingIP(NetworkResource):
    kind = "floating-ip"
    ACTIONS = ("attach", "detach")

    #: Its address is name enough.
    name = models.CharField(
        max_length=MAX_NAME, validators=NAME_RULES, blank=True, default=""
    )
    #: The external network that it is an address of.
    network = models.ForeignKey(
        "compute.Network", on_delete=models.PROTECT, related_name="floating_ips"
    )
    address = models.CharField(max_length=MAX_ADDRESS, blank=True, default="")
    vm = models.ForeignKey(
        "compute.VM",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="floating_ips",
    )
    port = models.ForeignKey(
        "compute.Port",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="floating_ips",
    )
    #: The address of the port that it leads to.
    fixed_ip = models.CharField(max_length=MAX_ADDRESS, null=True, blank=True)  # noqa: DJ001  # null is "none", and there is no other empty

    objects = FloatingIPQuerySet.as_manager()

    class Meta(NetworkResource.Meta):
        verbose_name = "floating IP"

    def __str__(self) -> str:
        return self.name or self.address or str(self.pk)
