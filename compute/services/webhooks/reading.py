"""From the log to deliveries: each webhook reads behind a cursor of its own.

A webhook's row lock is the lease: who holds it inserts the deliveries and moves the
cursor in one transaction, which whoever is killed leaves as it was.
"""

from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F, OuterRef, QuerySet, Subquery

from compute import label_selector
from compute.models import Delivery, Event, Webhook, subjects
from compute.models.event import is_of_type

#: Events read at once.
BATCH = 200
#: Deliveries that a webhook may have to come; the rest stays in the log until then.
MAX_PENDING = 500


def read(*, limit: int = BATCH) -> int:
    """Make deliveries of what has happened; return how many events were read.

    At most ``limit`` for each project, with a constant number of queries for each.
    """
    projects = _behind().values_list("project_id", flat=True).distinct()
    return sum(_read_project(id, limit) for id in projects.order_by("project_id"))


def _behind() -> QuerySet[Webhook]:
    """Return the webhooks that have events to read, and room for deliveries."""
    pending = Delivery.objects.pending().filter(webhook=OuterRef("pk"))
    return (
        Webhook.objects.enabled()
        .filter(after__lt=F("project__event_sequence"))
        # The last of so many: no more than these are looked at.
        .annotate(
            full=Subquery(
                pending.order_by("next_attempt_at").values("pk")[
                    MAX_PENDING - 1 : MAX_PENDING
                ]
            )
        )
        .filter(full=None)
    )


def _read_project(project_id: UUID, limit: int) -> int:
    with transaction.atomic():
        webhooks = list(
            locked(_behind().filter(project_id=project_id))
            .order_by("pk")
            .annotate(until=F("project__event_sequence"))
        )
        if not webhooks:
            return 0  # somebody else is at it
        after = min(webhook.after for webhook in webhooks)
        until = max(webhook.until for webhook in webhooks)
        read = _events(project_id, after, until, limit)
        labels: Mapping[UUID, subjects.Labels] = {}
        if any(webhook.label_selector for webhook in webhooks):
            labels = subjects.labels_of(read)
        # What is no longer in the log is passed over.
        last = read[-1].sequence if len(read) == limit else until
        Delivery.objects.bulk_create(
            [
                Delivery(
                    webhook=webhook,
                    event_id=event.pk,
                    event_type=event.type,
                    sequence=event.sequence or 0,
                )
                for webhook in webhooks
                for event in wanted(webhook, read, labels)
            ],
            batch_size=1000,
            # A test that was asked for has its delivery already.
            ignore_conflicts=True,
        )
        Webhook.objects.filter(
            pk__in=[webhook.pk for webhook in webhooks], after__lt=last
        ).update(after=last)
    return len(read)


def locked(webhooks: QuerySet[Webhook]) -> QuerySet[Webhook]:
    if connection.features.has_select_for_update_skip_locked:
        return webhooks.select_for_update(no_key=True, skip_locked=True, of=("self",))
    return webhooks  # SQLite has one writer at a time


def _events(project_id: UUID, after: int, until: int, limit: int) -> list[Event]:
    """Return what decides who gets them; what they tell is read when they are sent."""
    events = Event.objects.filter(
        project_id=project_id, sequence__gt=after, sequence__lte=until
    )
    return list(events.order_by("sequence").defer("data")[:limit])


def wanted(
    webhook: Webhook, events: Iterable[Event], labels: Mapping[UUID, subjects.Labels]
) -> list[Event]:
    """Return those events behind a webhook's cursor that pass its filters.

    Never those about itself: so nothing that comes of a delivery makes another one.
    """
    own = (webhook.kind, webhook.pk)
    requirements = (
        label_selector.parse(webhook.label_selector) if webhook.label_selector else []
    )
    return [
        event
        for event in events
        if (event.sequence or 0) > webhook.after
        and (event.subject_kind, event.subject_id) != own
        and is_of_type(event.type, webhook.event_types)
        and label_selector.matches(requirements, labels.get(event.pk, {}))
    ]
