"""What is no longer needed: deliveries that ended, or wait in vain; old secrets."""

from datetime import timedelta

import structlog
from django.db.models import Q
from django.utils import timezone

from compute.models import Delivery, DeliveryStatus, Webhook
from compute.services.webhooks import secrets
from compute.services.webhooks.requests import reach

logger = structlog.get_logger(__name__)

#: What has ended is kept so long for people to look at.
KEPT = timedelta(days=14)
#: Rows in one statement, and in one run of the job.
BATCH = 1000
RUN = 200 * BATCH


def forget_old() -> None:
    """Remove deliveries that ended long ago or whose webhook is deleted; end those that
    a webhook's pause has outlasted; forget old secrets.
    """
    now = timezone.now()
    waiting = Delivery.objects.pending().filter(created_at__lt=now - reach())
    waiting.filter(webhook__enabled=False).update(
        status=DeliveryStatus.FAILED,
        next_attempt_at=None,
        lease_until=None,
        ended_at=now,
        error=f"The webhook was disabled for more than {reach().days} days.",
    )
    _remove(Q(ended_at__lt=now - KEPT) | Q(webhook__deleted_at__isnull=False))
    ended = Webhook.objects.filter(old_secret_until__lte=now)
    ended.update(old_secret="", old_secret_until=None)
    _encrypt_again()


def _remove(condition: Q) -> None:
    removed = 0
    while removed < RUN:
        found = Delivery.objects.filter(condition).order_by()
        pks = found.values_list("pk", flat=True)[:BATCH]
        batch, _ = Delivery.objects.filter(pk__in=list(pks)).delete()
        removed += batch
        if batch < BATCH:
            break
    if removed:
        logger.info("old deliveries removed", count=removed)


def _encrypt_again() -> None:
    """Have the present SECRET_KEY encrypt all secrets: older ones may then be taken out."""
    for webhook in Webhook.objects.alive().only("secret", "old_secret").iterator():
        try:
            fresh = secrets.refreshed(webhook.secret)
            old = secrets.refreshed(webhook.old_secret) if webhook.old_secret else None
        except secrets.Unreadable as error:
            logger.error(
                "a webhook needs a new secret", id=str(webhook.pk), reason=str(error)
            )
            continue
        if fresh or old:
            # Unless it was rotated meanwhile: then its next turn comes.
            same = Webhook.objects.filter(pk=webhook.pk, secret=webhook.secret)
            same.update(
                secret=fresh or webhook.secret, old_secret=old or webhook.old_secret
            )
