"""Audit: what was refused is an event, too. What was done is one where it is done."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction

from compute import events
from compute.errors import Problem
from compute.events import Actor
from compute.models import VM, Outcome, Snapshot, User

#: Not permitted, and not possible now. Who sends nonsense is no matter for an audit.
AUDITED = frozenset({403, 409})
_REACH = ("is_active", "is_staff", "is_superuser")


def refused(
    problem: Problem,
    *,
    actor: Actor,
    method: str,
    path: str,
    project_id: UUID | None,
    target: Any = None,
) -> None:
    """Write that somebody was refused; the refused transaction is undone by now."""
    if problem.status not in AUDITED:
        return
    event = events.by(
        actor,
        "request.refused",
        outcome=Outcome.REFUSED,
        vm=target if isinstance(target, VM) else None,
        snapshot=target if isinstance(target, Snapshot) else None,
        data={
            "method": method,
            "path": path,
            "code": problem.code,
            "detail": problem.detail,
        },
    )
    if project_id is None:
        event.save(force_insert=True)
        return
    with transaction.atomic():
        events.record_all(project_id, [event])


def account(
    row: User | Group, word: str, *, actor: Actor, changed: Sequence[str] = ()
) -> None:
    """Write what became of a user or a group of operators: Django's forms save them.

    Named are the fields, and how far the account reaches now; never a password.
    """
    noun = str(row._meta.model_name)
    data: dict[str, Any] = {noun: str(row), "changed": list(changed)}
    if isinstance(row, User):
        data |= {name: getattr(row, name) for name in _REACH}
    events.record_outside(f"{noun}.{word}", actor=actor, data=data)
