"""IdempotencyKey: what a client calls one request of its own, however often it sends it."""

from django.db import models
from django.utils import timezone

MAX_KEY = 255


class IdempotencyKey(models.Model):
    """What a request with a key has started: an operation, or a row made at once.

    Written in the transaction of the request itself: the unique constraint is the lock
    on which a second request with the same key waits.
    """

    #: ``None``: the request was about no project.
    project = models.ForeignKey(
        "compute.Project",
        on_delete=models.CASCADE,
        null=True,
        related_name="idempotency_keys",
    )
    #: Whose request it was: ``user:alice``.
    principal = models.CharField(max_length=255)
    key = models.CharField(max_length=MAX_KEY)
    #: SHA-256 of method, path and body.
    fingerprint = models.CharField(max_length=64)
    operation = models.ForeignKey(
        "compute.Operation", on_delete=models.CASCADE, null=True, related_name="+"
    )
    #: The row, where no operation was needed.
    resource_id = models.UUIDField(null=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("project", "principal", "key"), name="idempotency_key_once"
            ),
            models.UniqueConstraint(
                fields=("principal", "key"),
                condition=models.Q(project=None),
                name="idempotency_key_once_without_project",
            ),
        )
        indexes = (models.Index(fields=("created_at",), name="idempotency_by_time"),)

    def __str__(self) -> str:
        return self.key
