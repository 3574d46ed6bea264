"""Cloud: what operators see of each configured cloud, and of its services."""

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q

#: OpenStack's type of the service that has the servers.
COMPUTE = "compute"
#: And those of the ones that have the images and the networks.
IMAGE = "image"
NETWORK = "network"
#: Type of each service by its project's name, which errors give.
SERVICE_TYPES = {"nova": COMPUTE, "glance": IMAGE, "neutron": NETWORK}

#: A pass that is due for longer is one that nobody makes.
LATE = timedelta(minutes=1)


class Cloud(models.Model):
    """A cloud that the service has asked something."""

    alias = models.CharField(max_length=64, primary_key=True)
    #: Requests sent to it, but for the latest of each worker.
    calls = models.BigIntegerField(default=0)
    catalog_refreshed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("alias",)

    def __str__(self) -> str:
        return self.alias


class CloudServiceQuerySet(models.QuerySet["CloudService"]):
    def stale(self, now: datetime) -> Self:
        """Return those of which what is stored may be out of date."""
        is_free = Q(pass_lease_until=None) | Q(pass_lease_until__lte=now)
        is_late = is_free & Q(next_pass_at__lte=now - LATE)
        return self.filter(Q(failures__gt=0) | is_late)


class CloudService(models.Model):
    """The health of one service of a cloud; written by the pass that observes it.

    A pass over any number of quiet things writes this row and nothing else.
    """

    cloud = models.ForeignKey(Cloud, on_delete=models.CASCADE, related_name="services")
    #: OpenStack's type of service: ``compute``, ``image``, ``network``.
    service = models.CharField(max_length=32)
    #: Start of the last pass of which every page arrived.
    observed_at = models.DateTimeField(null=True, blank=True)
    #: Start of the last such pass that listed everything, not only what had changed.
    full_observed_at = models.DateTimeField(null=True, blank=True)
    #: A pass is due from here on.
    next_pass_at = models.DateTimeField(null=True, blank=True)
    #: Not before: the service asked for a pause.
    paused_until = models.DateTimeField(null=True, blank=True)
    #: The pass that runs now holds the service until here.
    pass_lease_until = models.DateTimeField(null=True, blank=True)
    #: How long the last good pass over what had changed took.
    pass_seconds = models.FloatField(null=True, blank=True)
    #: How long the last one that listed everything took.
    full_pass_seconds = models.FloatField(null=True, blank=True)
    passes = models.BigIntegerField(default=0)
    #: Things in the last full listing.
    seen = models.PositiveIntegerField(null=True, blank=True)
    #: Passes failed since the last good one.
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    last_error_at = models.DateTimeField(null=True, blank=True)

    objects = CloudServiceQuerySet.as_manager()

    class Meta:
        default_permissions = ()  # whoever may see the cloud sees its services
        ordering = ("cloud", "service")
        constraints = (
            models.UniqueConstraint(
                fields=("cloud", "service"), name="cloud_service_once"
            ),
        )

    def __str__(self) -> str:
        return f"{self.cloud_id} {self.service}"

    @property
    def is_failing(self) -> bool:
        """Whether its last pass failed."""
        return self.failures > 0

    def is_late(self, now: datetime) -> bool:
        """Whether nobody makes its passes, as when no worker runs."""
        is_free = self.pass_lease_until is None or self.pass_lease_until <= now
        due = self.next_pass_at
        return is_free and due is not None and due <= now - LATE


def confirmed_at(
    own_change: datetime | None, cloud_observed_at: datetime | None
) -> datetime | None:
    """Return when a cloud last confirmed what we show of a server.

    A pass mentions only what changed: whatever it left out is as it was.
    """
    times = [time for time in (own_change, cloud_observed_at) if time is not None]
    return max(times, default=None)
