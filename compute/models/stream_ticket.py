"""StreamTicket: opens one stream, once, for who cannot send a header."""

from django.conf import settings
from django.db import models

from compute.models.api_token import APIToken
from compute.models.login import Login


class StreamTicket(models.Model):
    """Stands for the key of who asked for it, whose end is its end, too."""

    #: SHA-256 of the whole: with 32 random bytes there is nothing to guess.
    digest = models.CharField(max_length=64, primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    #: At most one of these two: without either it is the user's own.
    token = models.ForeignKey(
        APIToken, on_delete=models.CASCADE, null=True, related_name="+"
    )
    login = models.ForeignKey(
        Login, on_delete=models.CASCADE, null=True, related_name="+"
    )
    #: When the key ends, if that is known.
    key_expires_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(token=None) | models.Q(login=None),
                name="stream_ticket_of_one_key",
            ),
        )
        indexes = (
            models.Index(fields=("expires_at",), name="stream_ticket_by_expiry"),
        )

    def __str__(self) -> str:
        return f"ticket of {self.user_id}"
