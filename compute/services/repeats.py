"""Repeats: the same refusal of the same principal is one event a minute, not hundreds.

The log is append-only. What anybody can make it grow by is bounded here.
"""

import hashlib
import json
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from compute.models import Repeat

#: Within it a repeat is counted instead of written.
WINDOW = timedelta(minutes=1)
#: How long a count waits for an event that reports it.
KEPT = timedelta(days=1)


def fold(*what: object) -> int | None:
    """Return how many repeats the event about to be written stands for.

    ``None``: it is a repeat itself, was counted, and shall not be written. Call it in
    the transaction of the event.
    """
    digest = hashlib.sha256(json.dumps(what, default=str).encode()).hexdigest()
    now = timezone.now()
    rows = Repeat.objects.filter(digest=digest)
    recent = rows.filter(since__gt=now - WINDOW)
    with transaction.atomic():
        if recent.update(count=F("count") + 1):
            return None
        row, is_new = Repeat.objects.select_for_update().get_or_create(
            digest=digest, defaults={"since": now}
        )
        # Else somebody was faster, and has written it just now.
        if is_new or recent.update(count=F("count") + 1):
            return 0 if is_new else None
        rows.update(since=now, count=0)
        return row.count


def forget_old() -> None:
    """Remove what nobody has repeated for long."""
    Repeat.objects.filter(since__lte=timezone.now() - KEPT).delete()
