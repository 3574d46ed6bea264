"""Webhooks: what can be asked of them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from compute import events
from compute.errors import WebhookDisabled
from compute.events import Actor
from compute.expected import Expect, check_expected
from compute.models import Delivery, DeliveryStatus, Event, Project, Webhook
from compute.models.kinds import held_by
from compute.services import fields, quotas, rows
from compute.services.webhooks import secrets
from compute.services.webhooks.receivers import Receiver

#: What `update` may change.
EDITABLE = frozenset(
    {"name", "url", "event_types", "label_selector", "labels", "enabled"}
)
#: How long the secret before the present one still signs.
OVERLAP = timedelta(hours=24)


def reach() -> timedelta:
    """Return how far back a webhook reads that is enabled again: as far as a stream."""
    return timedelta(days=settings.EVENT_STREAM_DAYS)


def create(
    *,
    project: Project,
    actor: Actor,
    name: str,
    url: Receiver,
    event_types: Sequence[str] = (),
    label_selector: str = "",
    labels: Mapping[str, str] | None = None,
) -> tuple[Webhook, str]:
    """Add a webhook; return it with its secret, which nobody can read again.

    It gets what happens from now on. Raises ResourceLimitExceeded when the project's
    quota has no room.
    """
    secret = secrets.new()
    webhook = Webhook(
        project=project,
        name=name,
        url=url.url,
        event_types=list(event_types),
        label_selector=label_selector,
        labels=dict(labels or {}),
        secret=secrets.encrypt(secret),
    )
    fields.check(webhook, "name", "url", "event_types", "label_selector", "labels")
    with transaction.atomic():
        quotas.reserve(project.pk, held_by(webhook))
        webhook.save(force_insert=True)
        event = events.record(
            "webhook.created",
            actor=actor,
            subject=webhook,
            details={"event_types": webhook.event_types},
        )
        webhook.after = event.sequence or 0
        webhook.save(update_fields=["after"])
    return webhook, secret


def update(
    webhook: Webhook,
    *,
    actor: Actor,
    changes: Mapping[str, Any],
    expect: Expect = None,
) -> Webhook:
    """Change a webhook, or have it pause and go on (``enabled``).

    One that goes on gets what has happened meanwhile, as far back as a stream can begin:
    the event says how many older ones were left out. Raises ValueError for a field that is
    not editable.
    """
    rows.require_editable(changes, EDITABLE)
    receiver = changes.get("url")
    if isinstance(receiver, Receiver):
        changes = {**changes, "url": receiver.url}
    with transaction.atomic():
        webhook = rows.lock(webhook)
        check_expected(webhook, expect)
        changed = webhook.apply_changes(changes)
        if not changed:
            return webhook
        fields.check(webhook, *changed)
        if "url" in changed or "enabled" in changed:
            _forget_failures(webhook)
        left_out = 0
        if webhook.enabled and "enabled" in changed:
            left_out = _catch_up(webhook)
        webhook.save_changes()
        events.record(
            "webhook.updated",
            actor=actor,
            subject=webhook,
            changes=changed,
            details={"left_out": left_out} if left_out else {},
        )
    return webhook


def _forget_failures(webhook: Webhook) -> None:
    webhook.failing_since = webhook.resting_until = None
    webhook.is_slow = False
    webhook.disabled_at, webhook.disabled_reason = None, ""


def _catch_up(webhook: Webhook) -> int:
    """Pass over what a stream could no longer begin at; return how many events."""
    recent = Event.objects.filter(
        project_id=webhook.project_id,
        created_at__gte=timezone.now() - reach(),
        sequence__gt=webhook.after,
    )
    first = recent.aggregate(first=Min("sequence"))["first"]
    if first is None:
        projects = Project.objects.filter(pk=webhook.project_id)
        first = projects.values_list("event_sequence", flat=True).get() + 1
    passed: int = first - 1 - webhook.after
    webhook.after = first - 1
    return passed


def delete(webhook: Webhook, *, actor: Actor, expect: Expect = None) -> Webhook:
    """Delete a webhook; what was not delivered yet is dropped."""
    with transaction.atomic():
        webhook = rows.lock(webhook)
        check_expected(webhook, expect)
        held = held_by(webhook)
        webhook.deleted_at = timezone.now()
        webhook.counted = False
        quotas.settle(webhook.project_id, before=held, after=held_by(webhook))
        webhook.save_changes()
        events.record("webhook.deleted", actor=actor, subject=webhook)
    return webhook


def rotate_secret(
    webhook: Webhook, *, actor: Actor, expect: Expect = None
) -> tuple[Webhook, str]:
    """Give a webhook a new secret; return both. Nobody can read it again.

    The present one signs beside it for 24 hours, so that a receiver can change over
    without refusing anything.
    """
    secret = secrets.new()
    with transaction.atomic():
        webhook = rows.lock(webhook)
        check_expected(webhook, expect)
        webhook.old_secret = webhook.secret
        webhook.old_secret_until = timezone.now() + OVERLAP
        webhook.secret = secrets.encrypt(secret)
        webhook.save_changes()
        events.record("webhook.secret_rotated", actor=actor, subject=webhook)
    return webhook, secret


def send_test(webhook: Webhook, *, actor: Actor, expect: Expect = None) -> Delivery:
    """Send an event of its own, ``webhook.tested``, whatever its filters are.

    Returns the delivery, which is still to come. Raises WebhookDisabled.
    """
    with transaction.atomic():
        webhook = rows.lock(webhook)
        check_expected(webhook, expect)
        _require_enabled(webhook)
        event = events.record("webhook.tested", actor=actor, subject=webhook)
        return Delivery.objects.create(
            webhook=webhook,
            event_id=event.pk,
            event_type=event.type,
            sequence=event.sequence or 0,
        )


def redeliver(delivery: Delivery, *, actor: Actor, expect: Expect = None) -> Delivery:
    """Send an event again, under the same id, as often as at first if it fails.

    One that is still to come is sent at once. Raises WebhookDisabled.
    """
    with transaction.atomic():
        webhook = rows.lock(delivery.webhook)
        # Its claims take the webhook's lock, so this waits for nobody.
        locked = Delivery.objects.select_for_update(no_key=True).get(pk=delivery.pk)
        check_expected(locked, expect)
        _require_enabled(webhook)
        locked.webhook = webhook
        locked.status = DeliveryStatus.PENDING
        locked.attempts = 0
        locked.next_attempt_at = timezone.now()
        locked.ended_at = None
        locked.save(update_fields=["status", "attempts", "next_attempt_at", "ended_at"])
        events.record(
            "webhook.redelivered",
            actor=actor,
            subject=webhook,
            details={"event": str(locked.event_id), "type": locked.event_type},
        )
    return locked


def _require_enabled(webhook: Webhook) -> None:
    if not webhook.enabled:
        raise WebhookDisabled(f"The webhook {webhook.name} is disabled.")
