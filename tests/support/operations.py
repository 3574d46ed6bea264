"""Operations as they are stored, under way or ended; no cloud knows of them."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from compute.models import Operation, Project
from compute.models.owned import CloudResource
from tests.support.factories import VMFactory


def live(status: str, *, project: Project | None = None) -> Operation:
    return _operation(status, project=project)


def ended(
    status: str,
    *,
    at: datetime | None = None,
    target: CloudResource | None = None,
    type: str = "vm.stop",
    project: Project | None = None,
    detail: str = "It failed.",
) -> Operation:
    """Make one that ended at a time, or just now."""
    at = at or timezone.now()
    return _operation(
        status,
        target=target,
        type=type,
        project=project,
        created_at=at - timedelta(minutes=5),
        finished_at=at,
        error={"title": "Failed", "detail": detail} if status == "FAILED" else None,
    )


def _operation(
    status: str,
    *,
    target: CloudResource | None = None,
    type: str = "vm.stop",
    project: Project | None = None,
    **fields: Any,
) -> Operation:
    owner = {"project": project} if project else {}
    about = target or VMFactory.create(**owner)
    return Operation.objects.create(
        type=type,
        status=status,
        project=about.project,
        cloud=about.cloud,
        target_kind=about.kind,
        target_id=about.pk,
        requested_by="user:alice",
        deadline=timezone.now() + timedelta(hours=1),
        **fields,
    )
