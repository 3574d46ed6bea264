"""Log: from where on a project's events can be followed."""

from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.utils import timezone

from compute.errors import CursorExpired, ValidationError
from compute.models import Event


def check_cursor(project_id: UUID, after: int, newest: int) -> None:
    """Raise unless nothing that follows a cursor is missing or too old to be followed.

    ``newest`` is how far the project's log has come. Raises ValidationError for a cursor
    beyond that, and CursorExpired.
    """
    if after > newest:
        detail = f"The newest event of this project is {newest:012d}."
        raise ValidationError(
            [{"parameter": "after", "code": "invalid", "detail": detail}]
        )
    if after == newest:
        return
    oldest = timezone.now() - timedelta(days=settings.EVENT_STREAM_DAYS)
    following = Event.objects.filter(
        project_id=project_id, sequence=after + 1, created_at__gte=oldest
    )
    if not following.exists():
        raise CursorExpired(
            "Events after this one are too old to be followed, or have been removed. List "
            "again, and follow from the list's Event-Cursor."
        )
