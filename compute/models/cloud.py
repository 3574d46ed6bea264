"""Cloud: what we know of each configured cloud's observation, for operators."""

from datetime import datetime

from django.db import models


class Cloud(models.Model):
    """The health of one cloud; written by the pass that observes it.

    A pass over any number of quiet VMs writes this row and nothing else.
    """

    alias = models.CharField(max_length=64, primary_key=True)
    #: Start of the last pass of which every page arrived.
    observed_at = models.DateTimeField(null=True, blank=True)
    #: Start of the last such pass that listed all servers, not only changed ones.
    full_observed_at = models.DateTimeField(null=True, blank=True)
    #: A pass is due from here on.
    next_pass_at = models.DateTimeField(null=True, blank=True)
    #: Not before: the cloud asked for a pause.
    paused_until = models.DateTimeField(null=True, blank=True)
    #: The pass that runs now holds the cloud until here.
    pass_lease_until = models.DateTimeField(null=True, blank=True)
    #: How long the last good pass over what had changed took.
    pass_seconds = models.FloatField(null=True, blank=True)
    #: How long the last one that listed all servers took.
    full_pass_seconds = models.FloatField(null=True, blank=True)
    passes = models.BigIntegerField(default=0)
    #: Requests sent to the cloud, but for the latest of each worker.
    calls = models.BigIntegerField(default=0)
    #: Servers in the last full listing.
    servers_seen = models.PositiveIntegerField(null=True, blank=True)
    catalog_refreshed_at = models.DateTimeField(null=True, blank=True)
    #: Passes failed since the last good one.
    failures = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    last_error_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("alias",)

    def __str__(self) -> str:
        return self.alias


def confirmed_at(
    own_change: datetime | None, cloud_observed_at: datetime | None
) -> datetime | None:
    """Return when a cloud last confirmed what we show of a server.

    A pass mentions only what changed: whatever it left out is as it was.
    """
    times = [time for time in (own_change, cloud_observed_at) if time is not None]
    return max(times, default=None)
