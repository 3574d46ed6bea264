"""Event: append-only log, one row per thing that happened or was refused."""

import uuid
from collections.abc import Collection
from datetime import timedelta
from typing import Any, NoReturn, Self

from django.db import connection, models, transaction
from django.db.models import Q
from django.utils import timezone

#: PostgreSQL's setting that tells the trigger how old a row must be to be removed.
RETENTION = "compute.event_retention_days"
#: No younger row is ever removed: streams and people still read them.
MIN_RETENTION_DAYS = 30


class Outcome(models.TextChoices):
    SUCCEEDED = "SUCCEEDED", "Succeeded"
    #: Not permitted, or not possible now: nothing was changed.
    REFUSED = "REFUSED", "Refused"
    FAILED = "FAILED", "Failed"


Changes = dict[str, list[Any]]


def is_of_type(type: str, wanted: Collection[str]) -> bool:
    """Return whether a type is one of those, of which `vm.*` is all of VMs.

    None at all means every type.
    """
    noun = f"{type.partition('.')[0]}.*"
    return not wanted or type in wanted or noun in wanted


def parts(data: dict[str, Any]) -> tuple[Changes, dict[str, Any]]:
    """Return what an event changed, as field -> [before, after], and what else it tells.

    In older rows both lie side by side.
    """
    if data.keys() == {"changes", "details"}:
        return data["changes"], data["details"]
    pairs = {
        name: value
        for name, value in data.items()
        if isinstance(value, list) and len(value) == 2
    }
    return pairs, {name: data[name] for name in data if name not in pairs}


class EventQuerySet(models.QuerySet["Event"]):
    """Rows are added and read. On PostgreSQL a trigger refuses the rest, too."""

    def update(self, **kwargs: Any) -> NoReturn:
        raise TypeError("events are append-only")

    def delete(self) -> NoReturn:
        raise TypeError("events are append-only")

    def about(self, kind: str, *ids: uuid.UUID) -> Self:
        """Return those that the pages of things of one kind show."""
        return self.filter(
            Q(subject_kind=kind, subject_id__in=ids)
            | Q(related_kind=kind, related_id__in=ids)
        )

    def of_noun(self, noun: str) -> Self:
        """Return those whose type begins with a word: ``vm`` of ``vm.created``.

        PostgreSQL knows which types are common, and which it had better find by an index;
        SQLite would sort all of a common one.
        """
        begin = f"{noun}."
        if connection.vendor == "sqlite":
            return self.filter(type__startswith=begin)
        types = [type for type in self._types() if type.startswith(begin)]
        return self.filter(type__in=types)

    def _types(self) -> list[str]:
        """Return the types that there are, by a look into their index for each."""
        table = connection.ops.quote_name(self.model._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                "WITH RECURSIVE types(type) AS ("  # noqa: S608  # the name of our table
                f"SELECT MIN(type) FROM {table} UNION ALL "
                f"SELECT (SELECT MIN(type) FROM {table} WHERE type > types.type) "
                "FROM types WHERE type IS NOT NULL"
                ") SELECT type FROM types WHERE type IS NOT NULL"
            )
            return [row[0] for row in cursor.fetchall()]

    def forget(self, *, older_than: timedelta, limit: int) -> int:
        """Remove up to ``limit`` of the oldest rows; return how many.

        PostgreSQL's trigger allows this: it reads the age from a setting of this
        transaction, and checks it for each row.
        """
        old = self.filter(created_at__lt=timezone.now() - older_than)
        rows = self.filter(pk__in=old.order_by("created_at").values("pk")[:limit])
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                days = str(older_than.days)
                cursor.execute("SELECT set_config(%s, %s, true)", [RETENTION, days])
            removed, _ = super(EventQuerySet, rows).delete()
            return removed


class Event(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    #: ``None``: it is no project's, as a login that failed.
    project = models.ForeignKey(
        "compute.Project",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
        db_index=False,  # others begin with it
    )
    #: Counts the project's events in commit order, without gaps.
    sequence = models.BigIntegerField(null=True, blank=True)
    #: ``vm.created``, ``vm.updated``, ``vm.drifted``, ``vm.imported``,
    #: ``vm.leftover_removed``, ``operation.finished``, ``request.refused``,
    #: ``login.failed``, …
    type = models.CharField(max_length=64)
    outcome = models.CharField(
        max_length=16, choices=Outcome.choices, default=Outcome.SUCCEEDED
    )
    #: What it is about: a slug of `compute.models.subjects`, an id, and a name where
    #: that is not enough.
    subject_kind = models.CharField(max_length=32, blank=True, default="")
    subject_id = models.UUIDField(null=True, blank=True)
    subject_name = models.CharField(
        max_length=150,
        blank=True,
        default="",
        # While it is upgraded, the version before writes as well.
        db_default="",
    )
    #: The subject's version once this had happened; ``None``: it has none.
    subject_version = models.PositiveIntegerField(null=True, blank=True)
    #: Whose page shows it too: a snapshot's VM.
    related_kind = models.CharField(max_length=32, blank=True, default="")
    related_id = models.UUIDField(null=True, blank=True)
    operation = models.ForeignKey(
        "compute.Operation",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="events",
    )
    #: ``user:alice``, ``anonymous``, ``system``, …
    actor = models.CharField(max_length=255)
    #: How the API token began with which the actor came; empty without one.
    token = models.CharField(max_length=16, blank=True, default="")
    #: Where the actor came from.
    address = models.GenericIPAddressField(null=True, blank=True)
    request_id = models.CharField(max_length=64, blank=True, default="")
    #: ``changes`` and ``details``, which `parts` reads.
    data = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = EventQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at", "-sequence")
        constraints = (
            models.UniqueConstraint(
                fields=("project", "sequence"), name="event_sequence_once"
            ),
            models.CheckConstraint(
                condition=Q(project=None, sequence=None)
                | Q(project__isnull=False, sequence__isnull=False),
                name="event_of_project_is_counted",
            ),
            models.CheckConstraint(
                condition=Q(outcome__in=Outcome.values), name="event_outcome_known"
            ),
            models.CheckConstraint(
                condition=Q(subject_kind="", subject_id=None)
                | (~Q(subject_kind="") & Q(subject_id__isnull=False)),
                name="event_subject_is_whole",
            ),
            models.CheckConstraint(
                condition=Q(related_kind="", related_id=None)
                | (~Q(related_kind="") & Q(related_id__isnull=False)),
                name="event_related_is_whole",
            ),
        )
        indexes = (
            models.Index(fields=("created_at", "id"), name="event_by_creation"),
            models.Index(
                fields=("project", "created_at", "id"), name="event_by_project_creation"
            ),
            # A type or an actor may be rare: in order within a project; over all
            # projects few, or found soon in any order.
            models.Index(
                fields=("type", "project", "created_at", "id"), name="event_by_type"
            ),
            models.Index(
                fields=("actor", "project", "created_at", "id"), name="event_by_actor"
            ),
            models.Index(
                fields=("outcome", "project", "created_at", "id"),
                condition=~Q(outcome="SUCCEEDED"),
                name="event_not_succeeded",
            ),
            models.Index(
                fields=("request_id",),
                condition=~Q(request_id=""),
                name="event_by_request",
            ),
            models.Index(
                fields=("address", "created_at"),
                condition=Q(address__isnull=False),
                name="event_by_address",
            ),
            models.Index(
                fields=("subject_kind", "subject_id", "-sequence"),
                name="event_by_subject",
            ),
            models.Index(
                fields=("related_kind", "related_id", "-sequence"),
                condition=Q(related_id__isnull=False),
                name="event_by_related",
            ),
        )

    def __str__(self) -> str:
        return self.type if self.sequence is None else f"{self.type} #{self.sequence}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert it; refuse to change what is in the log."""
        if not self._state.adding:
            raise TypeError("events are append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("events are append-only")

    @property
    def changes(self) -> Changes:
        """What it changed: field -> [before, after]."""
        return parts(self.data)[0]

    @property
    def details(self) -> dict[str, Any]:
        """What else it tells."""
        return parts(self.data)[1]
