"""Audit: what was refused is an event, too. What was done is one where it is done."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction

from compute import events
from compute.errors import Problem
from compute.events import Actor
from compute.models import Event, Outcome, Project, User, subjects
from compute.models.owned import Versioned
from compute.models.user import ANONYMOUS
from compute.services import repeats

logger = structlog.get_logger(__name__)

#: Not permitted, and not possible now. Who sends nonsense is no matter for an audit.
AUDITED = frozenset({403, 409})
_REACH = ("is_active", "is_staff", "is_superuser")
#: What an event keeps of a path, and of why something was refused.
MAX_PATH = 255
MAX_DETAIL = 1000
#: Events removed in one statement, and in one run of the job.
BATCH = 1000
RUN = 200 * BATCH


def refused(
    problem: Problem,
    *,
    actor: Actor,
    method: str,
    path: str,
    project_id: UUID | None,
    target: Any = None,
    route: str = "",
) -> None:
    """Write that somebody was refused; the refused transaction is undone by now.

    The same within a minute is one event; the next one tells how many were left out.
    ``route`` is what a path is an instance of, where its rest is the client's to make
    up. Strangers are counted in the log alone: they could fill the table.
    """
    if problem.status not in AUDITED:
        return
    if actor.name == ANONYMOUS:
        _strangers.add(code=problem.code, path=path[:MAX_PATH], address=actor.address)
        return
    details: dict[str, Any] = {
        "method": method,
        "path": path[:MAX_PATH],
        "code": problem.code,
        "detail": problem.detail[:MAX_DETAIL],
    }
    row = getattr(target, "pk", target)
    same = (method, route or details["path"], problem.code, project_id, row)
    with transaction.atomic():
        left_out = repeats.fold(actor.name, actor.token, *same)
        if left_out is None:
            return
        if left_out:
            details["repeated"] = left_out
        # The log's lock first: what is read of the target then is as old as the log.
        project = None if project_id is None else Project.locked(project_id)
        if isinstance(target, Versioned):
            target.refresh_from_db(fields=["version"])
        event = events.by(
            actor,
            "request.refused",
            outcome=Outcome.REFUSED,
            subject=project if subjects.of(target) is None else target,
            details=details,
        )
        if project is None:
            event.save(force_insert=True)
        else:
            events.record_all(project.pk, [event])


class _Tally:
    """Counts what happens, and says how often so far: once a minute, or ten times more.

    So a flood is a few lines, which show how large it is while it lasts.
    """

    def __init__(self, line: str) -> None:
        self._line = line
        self._total = 0
        self._told = 0
        self._quiet_until = 0.0

    def add(self, **last: Any) -> None:
        self._total += 1
        now = time.monotonic()
        if now < self._quiet_until and self._total < 10 * self._told:
            return
        self._told = self._total
        self._quiet_until = now + repeats.WINDOW.total_seconds()
        logger.warning(self._line, total=self._total, **last)


_strangers = _Tally("anonymous requests were refused")


def forget_old() -> None:
    """Remove events that are older than EVENT_RETENTION_DAYS; 0: none.

    In batches, each a transaction of its own: writers wait for milliseconds.
    """
    days: int = settings.EVENT_RETENTION_DAYS
    if not days:
        return
    removed = 0
    while removed < RUN:
        batch = Event.objects.forget(older_than=timedelta(days=days), limit=BATCH)
        removed += batch
        if batch < BATCH:
            break
    if removed:
        logger.info("old events removed", count=removed, days=days)


def account(
    row: User | Group, word: str, *, actor: Actor, changed: Sequence[str] = ()
) -> None:
    """Write what became of a user or a group of operators: Django's forms save them.

    Named are the fields, and how far the account reaches now; never a password.
    """
    noun = str(row._meta.model_name)
    details: dict[str, Any] = {noun: str(row), "changed": list(changed)}
    if isinstance(row, User):
        details |= {name: getattr(row, name) for name in _REACH}
    events.record_outside(f"{noun}.{word}", actor=actor, details=details)
