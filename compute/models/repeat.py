"""Repeat: what was recorded just now, so that it is not recorded again at once."""

from django.db import models
from django.utils import timezone


class Repeat(models.Model):
    """One thing that was refused, and how often again since its last event."""

    #: SHA-256 of who did what.
    digest = models.CharField(max_length=64, primary_key=True)
    #: When it was recorded.
    since = models.DateTimeField(default=timezone.now)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = (models.Index(fields=("since",), name="repeat_by_time"),)

    def __str__(self) -> str:
        return self.digest
