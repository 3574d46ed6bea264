"""Cloud: what we know of each configured cloud's observation, for operators."""

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
    #: The pass that runs now holds the cloud until here.
    pass_lease_until = models.DateTimeField(null=True, blank=True)
    #: How long the last good pass took.
    pass_seconds = models.FloatField(null=True, blank=True)
    passes = models.BigIntegerField(default=0)
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
