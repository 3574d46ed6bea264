"""What an attempt has come to: the end, or the next attempt; and what that says of its
webhook.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from uuid import UUID

import structlog
from django.db import transaction
from django.utils import timezone

from compute import events
from compute.egress import Answer
from compute.events import SYSTEM
from compute.models import Delivery, DeliveryStatus, Webhook
from compute.models.webhook import MAX_REASON
from compute.services.webhooks.claims import Claimed, is_slow

logger = structlog.get_logger(__name__)

_HOUR = 3600.0
#: Seconds from a failed attempt to the next one. A random part comes on top: what failed
#: together shall not come back together.
DELAYS = (
    5.0,
    300.0,
    1800.0,
    *(hours * _HOUR for hours in (2, 5, 10, 14, 20, 24)),
)
JITTER = 0.1
#: The most that Retry-After may ask for, in seconds.
MAX_PAUSE = 24 * _HOUR
#: A webhook of which every attempt has failed for so long is disabled.
PATIENCE = timedelta(days=3)
#: An answer that took longer is slow, in seconds.
SLOW = 1.0
GONE = 410
FORGOTTEN = "The event is no longer in the log."


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt that is over."""

    claimed: Claimed
    started_at: datetime
    #: How long it took.
    seconds: float
    #: ``None``: there was none, and the reason is in ``error``.
    answer: Answer | None
    error: str = ""

    @property
    def succeeded(self) -> bool:
        return self.answer is not None and 200 <= self.answer.status < 300

    @property
    def reason(self) -> str:
        """Why it failed."""
        if self.answer is None:
            return self.error[:MAX_REASON]
        return f"The receiver answered {self.answer.status}."

    def pause(self, now: datetime) -> float:
        """Return the seconds that the receiver asked for with Retry-After."""
        text = (self.answer.retry_after if self.answer else None) or ""
        if text.strip().isdecimal():
            return min(float(text[:16]), MAX_PAUSE)
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        if until.tzinfo is None:
            return 0.0
        return max(0.0, min((until - now).total_seconds(), MAX_PAUSE))


def record(
    results: Sequence[Result], *, jitter: Callable[[], float] = random.random
) -> None:
    """Note what attempts came to, with a constant number of queries.

    What its sender no longer holds is left to whoever holds it now. ``jitter`` returns
    a number from 0 to 1.
    """
    now = timezone.now()
    with transaction.atomic():
        # What was not sent says nothing of the receiver.
        telling = [result for result in results if result.claimed.body is not None]
        webhooks = _touched(telling)
        rows = {
            row.pk: row
            for row in Delivery.objects.select_for_update(no_key=True)
            .filter(pk__in=[result.claimed.delivery.pk for result in results])
            .order_by("pk")
        }
        held = [
            result
            for result in results
            if (row := rows.get(result.claimed.delivery.pk))
            and row.lease_until == result.claimed.delivery.lease_until
        ]
        for result in held:
            _note(rows[result.claimed.delivery.pk], result, now, jitter)
        Delivery.objects.bulk_update(
            [rows[result.claimed.delivery.pk] for result in held], _NOTED
        )
        for webhook in webhooks.values():
            _judge(
                webhook, [r for r in telling if r.claimed.webhook.pk == webhook.pk], now
            )


#: What an attempt changes.
_NOTED = (
    *("status", "attempts", "next_attempt_at", "lease_until", "attempted_at"),
    *("answer_status", "answer_excerpt", "error", "ended_at"),
)


def _note(
    row: Delivery, result: Result, now: datetime, jitter: Callable[[], float]
) -> None:
    answer = result.answer
    row.attempts += 1
    row.lease_until = None
    row.attempted_at = result.started_at
    row.answer_status = answer.status if answer else None
    row.answer_excerpt = answer.excerpt if answer else ""
    row.error = "" if result.succeeded else result.reason
    if result.succeeded:
        _end(row, DeliveryStatus.SUCCEEDED, now)
    elif result.claimed.body is None or row.attempts > len(DELAYS):
        _end(row, DeliveryStatus.FAILED, now)
    else:
        delay = DELAYS[row.attempts - 1] * (1 + JITTER * jitter())
        pause = timedelta(seconds=max(delay, result.pause(now)))
        row.next_attempt_at = result.started_at + pause


def _end(row: Delivery, status: DeliveryStatus, now: datetime) -> None:
    row.status, row.next_attempt_at, row.ended_at = status, None, now


def _touched(results: Sequence[Result]) -> dict[UUID, Webhook]:
    """Return the webhooks of which results say something new, locked."""
    ids = {
        result.claimed.webhook.pk
        for result in results
        if not result.succeeded
        or is_slow(result.claimed.webhook)
        or result.seconds > SLOW
    }
    rows = Webhook.objects.select_for_update(no_key=True).filter(pk__in=ids)
    webhooks = {row.pk: row for row in rows.order_by("pk")}
    for webhook in webhooks.values():
        webhook.remember()
    return webhooks


def _judge(webhook: Webhook, results: Sequence[Result], now: datetime) -> None:
    """Note whether a webhook works, and disable one that has not for too long."""
    for result in sorted(results, key=lambda result: result.started_at):
        webhook.is_slow = result.seconds > SLOW
        if result.succeeded:
            webhook.failing_since = webhook.resting_until = None
            continue
        webhook.failing_since = webhook.failing_since or result.started_at
        if pause := result.pause(now):
            webhook.resting_until = now + timedelta(seconds=pause)
        if not webhook.enabled:
            continue
        if result.answer is not None and result.answer.status == GONE:
            _disable(webhook, "The receiver answered 410 Gone.", now)
        elif now - webhook.failing_since >= PATIENCE:
            days = PATIENCE.days
            reason = f"Every attempt has failed for {days} days. {result.reason}"
            _disable(webhook, reason, now)
    webhook.save_changes()
    if webhook.disabled_at == now:
        events.record(
            "webhook.disabled",
            actor=SYSTEM,
            subject=webhook,
            changes={"enabled": [True, False]},
            details={"reason": webhook.disabled_reason},
        )
        logger.warning(
            "webhook disabled", webhook=str(webhook.pk), reason=webhook.disabled_reason
        )


def _disable(webhook: Webhook, reason: str, now: datetime) -> None:
    webhook.enabled = False
    webhook.disabled_at, webhook.disabled_reason = now, reason[:MAX_REASON]
