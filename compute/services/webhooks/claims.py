"""Who sends which delivery: each is claimed by one worker, for the time of an attempt.

Fair between webhooks: who was served longest ago is next, so one with ten thousand
events to get, or one that hangs, is one of many.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from compute.bodies import envelopes
from compute.models import Delivery, Event, Webhook
from compute.services.webhooks.reading import locked

#: Longer than an attempt may take; after that whoever holds a delivery has died.
LEASE = timedelta(seconds=60)
#: Attempts of one webhook at the same time; of one that fails, one.
MAX_IN_FLIGHT = 2


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is to be sent now."""

    delivery: Delivery
    webhook: Webhook
    #: ``None``: the log has forgotten the event.
    body: bytes | None

    @property
    def is_slow(self) -> bool:
        return is_slow(self.webhook)


def is_slow(webhook: Webhook) -> bool:
    """Whether an attempt is likely to take long."""
    return webhook.is_slow or webhook.failing_since is not None


def claim(*, places: int, slow_places: int) -> list[Claimed]:
    """Take deliveries that are due, at most so many; return them with their bodies.

    ``slow_places``: how many of them may be for webhooks that were slow or failed last
    time. What an event is about is shown as it is now.
    """
    now = timezone.now()
    with transaction.atomic():
        webhooks = _candidates(now, places, slow_places)
        deliveries = _fits(webhooks, now, places)
        if not deliveries:
            return []
        lease = now + LEASE
        chosen = [delivery.pk for delivery in deliveries]
        Delivery.objects.filter(pk__in=chosen).update(lease_until=lease)
        served = {delivery.webhook_id for delivery in deliveries}
        Webhook.objects.filter(pk__in=served).update(served_at=now)
    for delivery in deliveries:
        delivery.lease_until = lease
    by_id = {webhook.pk: webhook for webhook in webhooks}
    bodies = _bodies({delivery.event_id for delivery in deliveries})
    return [
        Claimed(delivery, by_id[delivery.webhook_id], bodies.get(delivery.event_id))
        for delivery in deliveries
    ]


def _candidates(now: datetime, places: int, slow_places: int) -> list[Webhook]:
    """Return webhooks with something to send, locked: who waits for longest first."""
    due = _due(now).filter(webhook=OuterRef("pk")).order_by("next_attempt_at")
    leased = _leased(now).filter(webhook=OuterRef("pk")).order_by()
    in_flight = leased.values("webhook").annotate(number=Count("pk")).values("number")
    waiting = (
        Webhook.objects.enabled()
        .exclude(resting_until__gt=now)
        .annotate(
            **{
                f"due{number}": Subquery(due.values("pk")[number : number + 1])
                for number in range(MAX_IN_FLIGHT)
            },
            in_flight=Coalesce(Subquery(in_flight), 0),
        )
        .filter(due0__isnull=False)
        .order_by(F("served_at").asc(nulls_first=True), "pk")
    )
    slow = Q(is_slow=True) | Q(failing_since__isnull=False)
    found = [
        *locked(waiting.exclude(slow).filter(in_flight__lt=MAX_IN_FLIGHT))[:places],
        *locked(waiting.filter(slow, in_flight=0))[:slow_places],
    ]
    return sorted(found, key=lambda webhook: (webhook.served_at or now, webhook.pk))


def _due(now: datetime) -> QuerySet[Delivery]:
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    return Delivery.objects.pending().filter(free, next_attempt_at__lte=now)


def _leased(now: datetime) -> QuerySet[Delivery]:
    return Delivery.objects.filter(lease_until__gt=now)


def _fits(webhooks: Iterable[Webhook], now: datetime, places: int) -> list[Delivery]:
    """Return what may be sent now: one for each webhook, then another for each.

    Looked at again under the locks: somebody may have claimed it just before.
    """
    webhooks = list(webhooks)
    ids = [webhook.pk for webhook in webhooks]
    due = {
        webhook.pk: [getattr(webhook, f"due{n}") for n in range(MAX_IN_FLIGHT)]
        for webhook in webhooks
    }
    leased = _leased(now).filter(webhook__in=ids)
    in_flight = Counter(leased.values_list("webhook_id", flat=True))
    free = _due(now).in_bulk([pk for pks in due.values() for pk in pks if pk])
    fits = []
    for number in range(MAX_IN_FLIGHT):
        for webhook in webhooks:
            room = 1 if is_slow(webhook) else MAX_IN_FLIGHT
            delivery = free.get(due[webhook.pk][number])
            if delivery and number + in_flight[webhook.pk] < room:
                fits.append(delivery)
    return fits[:places]


def _bodies(event_ids: Iterable[UUID]) -> dict[UUID, bytes]:
    events = Event.objects.filter(pk__in=list(event_ids))
    return {envelope.id: envelope.body for envelope in envelopes.of(events)}
