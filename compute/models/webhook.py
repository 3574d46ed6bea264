"""Webhook: a URL that gets a project's events. Delivery: one event on its way there."""

import re
import uuid
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from compute import label_selector
from compute.limits import MAX_EXCERPT, MAX_URL
from compute.models.owned import Owned, VersionedQuerySet

MAX_EVENT_TYPES = 50
#: `vm.created`, or all that begins so: `vm.*`.
EVENT_TYPE = r"[a-z][a-z-]*\.(\*|[a-z][a-z_-]*)"
MAX_EVENT_TYPE = 64
MAX_REASON = 512


def validate_event_types(value: Any) -> None:
    """Raise ValidationError for what is no list of types of events."""
    if not isinstance(value, list) or len(value) > MAX_EVENT_TYPES:
        raise ValidationError(
            f"Must be a list of at most {MAX_EVENT_TYPES} types.", code="invalid"
        )
    for word in value:
        if (
            not isinstance(word, str)
            or len(word) > MAX_EVENT_TYPE
            or not re.fullmatch(EVENT_TYPE, word)
        ):
            raise ValidationError(
                f"{word!r} is not a type such as `vm.created` or `vm.*`.",
                code="invalid",
            )


def validate_selector(value: Any) -> None:
    """Raise ValidationError, with the reason, for what is no label selector."""
    try:
        label_selector.parse(value)
    except ValueError as error:
        raise ValidationError(str(error), code="invalid") from error


class WebhookQuerySet(VersionedQuerySet["Webhook"]):
    def enabled(self) -> Self:
        return self.alive().filter(enabled=True)

    def disabled_by_failures(self) -> Self:
        return self.alive().exclude(disabled_at=None)


class Webhook(Owned):
    """Who is told of a project's events, and of which: a reader of the log."""

    kind = "webhook"
    #: How it goes is told by its deliveries.
    UNSEEN = frozenset(
        {"after", "failing_since", "resting_until", "is_slow", "served_at"}
    )

    url = models.CharField(max_length=MAX_URL)
    #: Empty: all of them.
    event_types = models.JSONField(
        default=list, blank=True, validators=(validate_event_types,)
    )
    #: Of what an event is about; empty: whatever the labels are.
    label_selector = models.CharField(
        max_length=label_selector.MAX_LENGTH,
        blank=True,
        default="",
        validators=(validate_selector,),
    )
    #: Both encrypted: see `compute.services.webhooks.secrets`.
    secret = models.TextField(editable=False)
    #: Signs too, until then.
    old_secret = models.TextField(blank=True, default="", editable=False)
    old_secret_until = models.DateTimeField(null=True, blank=True, editable=False)
    #: Whether it is sent anything; ``disabled_at`` and the reason tell that the service
    #: has switched it off.
    enabled = models.BooleanField(default=True)
    disabled_at = models.DateTimeField(null=True, blank=True, editable=False)
    disabled_reason = models.CharField(max_length=MAX_REASON, blank=True, default="")

    #: The last event of the project of which there is a delivery, if it gets one.
    after = models.BigIntegerField(default=0, editable=False)
    #: Since when every attempt has failed.
    failing_since = models.DateTimeField(null=True, blank=True, editable=False)
    #: The receiver asked for a pause (Retry-After).
    resting_until = models.DateTimeField(null=True, blank=True, editable=False)
    #: Whether its last answer was late or none.
    is_slow = models.BooleanField(default=False, editable=False)
    #: When a delivery was last claimed: who waits for longest is next.
    served_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-id")
        indexes = (
            models.Index(fields=("created_at", "id"), name="webhook_by_creation"),
            models.Index(fields=("name", "id"), name="webhook_by_name"),
            models.Index(
                fields=("project", "created_at", "id", "deleted_at"),
                name="webhook_by_project_creation",
            ),
            models.Index(
                fields=("project", "name", "id"), name="webhook_by_project_name"
            ),
        )


class DeliveryStatus(models.TextChoices):
    #: It is sent at ``next_attempt_at``.
    PENDING = "PENDING", "Pending"
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    #: It is not sent again unless somebody asks for it.
    FAILED = "FAILED", "Failed"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def pending(self) -> Self:
        return self.filter(status=DeliveryStatus.PENDING)


class Delivery(models.Model):
    """An event for a webhook. Its body is made of the event whenever it is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(
        Webhook,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_index=False,  # others begin with it
    )
    #: Without a constraint: the log forgets its events by itself.
    event_id = models.UUIDField(editable=False)
    event_type = models.CharField(max_length=64, editable=False)
    sequence = models.BigIntegerField(editable=False)
    status = models.CharField(
        max_length=16, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING
    )
    #: Attempts of which the result is known.
    attempts = models.PositiveSmallIntegerField(default=0)
    #: ``None`` once it has ended.
    next_attempt_at = models.DateTimeField(null=True, blank=True, default=timezone.now)
    #: Somebody is sending it; whoever holds it for longer has died.
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    attempted_at = models.DateTimeField(null=True, blank=True, editable=False)
    #: Of the last attempt: the HTTP status, or else why there was none.
    answer_status = models.PositiveSmallIntegerField(null=True, blank=True)
    answer_excerpt = models.CharField(max_length=MAX_EXCERPT, blank=True, default="")
    error = models.CharField(max_length=MAX_REASON, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ("-created_at", "-id")
        constraints = (
            models.UniqueConstraint(
                fields=("webhook", "event_id"), name="delivery_once_per_event"
            ),
            models.CheckConstraint(
                condition=Q(status__in=DeliveryStatus.values),
                name="delivery_status_known",
            ),
            models.CheckConstraint(
                condition=Q(status="PENDING", next_attempt_at__isnull=False)
                | (~Q(status="PENDING") & Q(next_attempt_at=None, lease_until=None)),
                name="delivery_is_due_or_has_ended",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="delivery_by_creation"),
            models.Index(
                fields=("webhook", "created_at", "id"), name="delivery_by_webhook"
            ),
            models.Index(
                fields=("webhook", "next_attempt_at"),
                condition=Q(status="PENDING"),
                name="delivery_due",
            ),
            models.Index(
                fields=("webhook", "lease_until"),
                condition=Q(lease_until__isnull=False),
                name="delivery_leased",
            ),
            models.Index(
                fields=("ended_at",),
                condition=Q(ended_at__isnull=False),
                name="delivery_by_end",
            ),
        )

    def __str__(self) -> str:
        return f"{self.event_type} #{self.sequence}"

    @property
    def project_id(self) -> uuid.UUID:
        """Whose it is; costs a query unless the webhook was read with it."""
        return self.webhook.project_id
